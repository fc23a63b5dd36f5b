"""The main job, shown on real photographs: enrol, refuse, recognise, judge, watch who passes, delete."""
