"""`wanflow estimate`: show what a request will cost, without sending it."""

from __future__ import annotations

from wanflow.cli.estimates import estimate_as_dict, estimate_request, print_estimate
from wanflow.cli.json_output import emit
from wanflow.cli.ledger_options import ledger_option, read_ledger
from wanflow.cli.options import base_url_option, json_option, request_option
from wanflow.cli.run import ModelGroup, RunRequest


def show_estimate(request: RunRequest) -> None:
    """Print what a request will cost, as earlier jobs in the ledger did.

    Raises:
        InvalidRequest: the request is invalid.
        LedgerError: there is no ledger, or it can't be read.
    """
    options = request.options
    with read_ledger(options["ledger"]) as ledger:
        found = estimate_request(request.body, options["base_url"], ledger)
    if options["as_json"]:
        emit("estimated", **estimate_as_dict(found))
    else:
        print_estimate(found)


estimate = ModelGroup(
    show_estimate,
    [request_option(), ledger_option(), base_url_option(), json_option()],
    name="estimate",
    help="Show what a request will cost, without sending it.\n\n"
    "The API has no price list: the price is what earlier jobs with the same settings cost, which "
    "the ledger knows. wanflow estimate MODEL --help lists the parameters of the model.",
)
