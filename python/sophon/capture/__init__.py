"""Where pictures come from: uploads by FTP, and streams."""
