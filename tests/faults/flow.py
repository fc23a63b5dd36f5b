"""A stream of mixed commands in which the order matters: each is about one of a few people or groups of the moment."""

from __future__ import annotations

import random
from typing import Any

Json = dict[str, Any]

AT_ONCE = 8
HISTORY = 5
REPEATED_WITHIN = 20


class Flow:
    """Makes commands: people come and go and come again, groups are renamed, faces are judged, and once all is wiped.

    Half of them have no messageId, but a mark in their place; of those with one a fifth (a tenth of all) come twice.
    """

    def __init__(self, photo: str, chance: random.Random) -> None:
        self._photo = photo
        self._chance = chance
        self._number = 0
        self._subjects = [self._new_subject() for _ in range(AT_ONCE)]

    def take(self, count: int) -> list[Json]:
        """So many commands, and the repetitions between them."""
        commands: list[Json] = []
        for place in range(count):
            self._number += 1
            mark = f"mark-{self._number}" if self._chance.random() < 0.5 else None
            command = self._wipe(mark) if place == count // 3 else self._about_someone(mark)
            commands.append(
                {"mark": mark, **command} if mark else {"messageId": f"n{self._number}", **command}
            )
        for command in [one for one in commands if "messageId" in one and self._chance.random() < 0.2]:
            # A repetition comes after what it repeats, and may come after what undid it.
            later = commands.index(command) + 1 + self._chance.randrange(REPEATED_WITHIN)
            commands.insert(later, command)
        return commands

    def _about_someone(self, mark: str | None) -> Json:
        place = self._chance.randrange(AT_ONCE)
        subject = self._subjects[place]
        if self._chance.random() < 1 / HISTORY:
            self._subjects[place] = self._new_subject()
        kind = self._chance.random()
        if kind < 0.15:
            return self._add(subject, mark)
        if kind < 0.65:
            return {"method": "delete_users", "userid_list": [subject, *([mark] if mark else [])]}
        if kind < 0.9 or mark:
            group = {"id": subject, "info": {"name": mark or f"gate {self._number}"}}
            return {"method": "sync_permissions", "permissions_info_list": [group]}
        return {"method": "fiqa", "info": {"image_base64_str": self._photo}}

    def _add(self, subject: str, mark: str | None) -> Json:
        people: list[Json] = [{"identity_id": subject, "reg_photo": self._photo, "info": {"name": "n"}}]
        if mark:
            people.append({"identity_id": mark, "info": {"name": "no photo: refused"}})
        return {"method": "add_users_plus", "user_info_list": people}

    def _wipe(self, mark: str | None) -> Json:
        return {
            "method": "wipe_data",
            "wipe_options": {"users": True, "events": False, **({mark: 1} if mark else {})},
        }

    def _new_subject(self) -> str:
        return f"S{self._chance.randrange(10**9)}"
