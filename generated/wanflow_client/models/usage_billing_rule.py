from typing import Literal

UsageBillingRule = Literal["per_call", "per_second", "per_token"]

USAGE_BILLING_RULE_VALUES: set[UsageBillingRule] = {
    "per_call",
    "per_second",
    "per_token",
}


def check_usage_billing_rule(value: str) -> UsageBillingRule:
    if value in USAGE_BILLING_RULE_VALUES:
        return value
    raise TypeError(f"Unexpected value {value!r}. Expected one of {USAGE_BILLING_RULE_VALUES!r}")
