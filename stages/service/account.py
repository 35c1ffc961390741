"""Who asks a service: its address, the key that is sent, and what is said when the service refuses."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from stages.contract import Failure, StageError
from stages.service.address import address_problems
from stages.service.http import Answer
from stages.service.persist import RefusedError, is_passing, refused_status
from stages.settings import Problem

_DETAIL = 500  # characters of an answer that are kept


class AccountError(StageError):
    """A refusal that is not about one piece of work but about all: the key, the account, the address."""


@dataclass(frozen=True, slots=True)
class Account:
    """A service as the settings of one section name it. The key itself is read when it is used, and kept nowhere.

    Attributes:
        section: the prefix of its settings, for sentences: `tts`.
        url: its address.
        key_env: environment variable that holds the key; "" for none.
    """

    section: str
    url: str
    key_env: str = ""

    @property
    def key(self) -> str:
        """The key, "" for none. Files with a key end with a line end, which is not part of it."""
        return os.environ.get(self.key_env, "").strip() if self.key_env else ""

    def bearer(self) -> dict[str, str]:
        """The header that most services want the key in; nothing when there is no key."""
        return {"Authorization": f"Bearer {key}"} if (key := self.key) else {}

    def refusal(self, answer: Answer, mend: str) -> RefusedError | StageError:
        """What to raise for an answer other than the one that was wanted.

        Args:
            answer: what came.
            mend: what to do when the service finds fault with the request itself.

        Returns:
            a RefusedError when another attempt may succeed, else the last word; never with the key in it.
        """
        if is_passing(answer.status):
            return refused_status(answer.status, answer.headers.get("retry-after"))
        known = self._mends()
        kind = AccountError if answer.status in known else StageError
        sentence = f"{self.url} answers {answer.status}; {known.get(answer.status, mend)}"
        return kind(Failure.BAD_INPUT, sentence, detail=self._without_key(answer.data))

    def _mends(self) -> dict[int, str]:
        name = self.key_env or f"a variable named by {self.section}.api_key_env"
        return {
            401: f"put a valid key into {name}",
            402: "put money into its account",
            403: f"put a key that may do this into {name}",
            404: f"see that {self.section}.url and {self.section}.model are right",
        }

    def _without_key(self, data: bytes) -> str:
        """The beginning of an answer. Some services say the key again."""
        shown = data.decode(errors="replace")
        return (shown.replace(key, "***") if (key := self.key) else shown)[:_DETAIL]

    def problems(self, schemes: Sequence[str] = ("https", "http")) -> Iterable[Problem]:
        """An address that is none, and a key that is not there."""
        yield from address_problems(self.url, f"{self.section}.url", schemes)
        if self.key_env and not self.key:
            key = f"{self.section}.api_key_env"
            mend = f"set {self.key_env}, or {key}= for a server that wants no key"
            yield Problem(key, f"the environment has no {self.key_env}", mend)
