"""Standing orders for faults: for an operation, an account, the nth call, by chance, so often."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from attrs import define, field
from attrs.validators import and_, ge, instance_of, le, optional

from wanflow.mock.gateway.fault import NO_FAULTS, FaultSet, parse_faults

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wanflow.mock.gateway.accounts import Account

FILES = "files"
"""What the serving of results is called where an operation is asked for."""


@define(eq=False)
class FaultRule:
    """Faults for some calls: those of an operation and an account (None: of all).

    It strikes from the `nth` matching call on, with a probability, at most `count` times.
    """

    id: int
    faults: FaultSet
    operation: str | None = field(default=None, validator=optional(instance_of(str)))
    probability: float = field(default=1.0, validator=[instance_of((int, float)), ge(0), le(1)])
    nth: int = field(default=1, validator=[instance_of(int), ge(1)])
    count: int | None = field(default=None, validator=optional(and_(instance_of(int), ge(1))))
    account: Account | None = field(default=None, repr=False)
    calls: int = 0
    hits: int = 0

    def matches(self, operation: str, account: Account | None, random: Random) -> bool:
        """Count a call if it matches, and tell whether this one goes wrong."""
        if self.operation not in {None, operation} or self.account not in {None, account}:
            return False
        self.calls += 1
        if self.calls < self.nth or (self.count is not None and self.hits >= self.count):
            return False
        if self.probability < 1 and random.random() >= self.probability:
            return False
        self.hits += 1
        return True


@define(eq=False)
class FaultRules:
    """The rules in force, first come first served; `operations` are those that may be named."""

    operations: tuple[str, ...] = ()
    _rules: tuple[FaultRule, ...] = ()
    _last_id: int = 0
    _random: Random = field(factory=lambda: Random(0), repr=False)  # noqa: S311 - play, not secrets

    def add(
        self,
        fault: str,
        *,
        operation: str | None = None,
        probability: float = 1.0,
        nth: int = 1,
        count: int | None = None,
        account: Account | None = None,
    ) -> FaultRule:
        """Put a rule in force, for a fault or several with commas between.

        Raises:
            ValueError: the fault, the operation or a number is none that the mock knows.
        """
        if operation is not None and operation not in self.operations:
            known = ", ".join(self.operations)
            raise ValueError(f"there is no operation {operation!r}; there are {known}")
        try:
            rule = FaultRule(
                self._last_id + 1, parse_faults(fault), operation, probability, nth, count, account
            )
        except TypeError as error:
            _, attribute, _, value = error.args  # as attrs has it
            raise ValueError(f"{attribute.name} can't be {value!r:.100}") from error
        self._last_id += 1
        self._rules = (*self._rules, rule)
        return rule

    def from_json(self, raw: Mapping[str, Any], account: Account | None = None) -> FaultRule:
        """Put a rule in force that is written as a JSON object.

        Raises:
            ValueError: a field is unknown, missing or has a wrong value.
        """
        fields = dict(raw)
        faults = fields.pop("fault", None)
        unknown = fields.keys() - {"operation", "probability", "nth", "count"}
        if not isinstance(faults, str) or unknown:
            raise ValueError(
                "a rule has fault, and maybe operation, probability, nth and count"
                + (f", but no {', '.join(sorted(unknown))}" if unknown else "")
            )
        return self.add(faults, **fields, account=account)

    def remove(self, rule_id: int) -> bool:
        """Put a rule out of force; False where there is none of this id."""
        kept = tuple(rule for rule in self._rules if rule.id != rule_id)
        found = len(kept) < len(self._rules)
        self._rules = kept
        return found

    def clear(self) -> None:
        """Put all rules out of force."""
        self._rules = ()

    def pick(self, operation: str, account: Account | None) -> FaultSet:
        """Return what goes wrong with a call, by the first rule that strikes."""
        for rule in self._rules:
            if rule.matches(operation, account, self._random):
                return rule.faults
        return NO_FAULTS

    def jitter(self, most: float) -> float:
        """Return a pause of up to `most` seconds, by the same chance as the rules'."""
        return self._random.uniform(0, most)

    def __iter__(self) -> Any:
        return iter(self._rules)
