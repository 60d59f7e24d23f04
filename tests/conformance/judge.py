"""Validates UCP messages with the types of ucp-sdk, in the version that the Python path gives (0.4.x: 2026-04-08, 0.5.x: 2026-08-25).

Reads lines {"kind", "body"}; prints a line for each that is invalid, and how many were looked at. Exit 1: some are.
"""
import importlib
import json
import sys

S = "ucp_sdk.models.schemas."
TYPES = {  # every type of a kind must take the message
    "checkout": ["shopping.checkout:Checkout", "shopping.discount:Checkout", "shopping.fulfillment:Checkout", "shopping.buyer_consent:Checkout"],
    "cart": ["shopping.cart:Cart", "shopping.discount:Cart"],
    "order": ["shopping.order:Order"],
    "search": ["shopping.catalog_search:SearchResponse"],
    "lookup": ["shopping.catalog_lookup:LookupResponse"],
    "product": ["shopping.catalog_lookup:GetProductResponse"],
    "profile": ["ucp:BusinessSchema"],
    "error": ["shopping.types.error_response:ErrorResponse", "common.types.error_response:ErrorResponse"],
    "search_request": ["shopping.catalog_search:SearchRequest"],
    "create_request": ["shopping.checkout_create_request:CheckoutCreateRequest"],
    "update_request": ["shopping.checkout_update_request:CheckoutUpdateRequest"],
    "complete_request": ["shopping.checkout_complete_request:CheckoutCompleteRequest"],
    "cart_request": ["shopping.cart_create_request:CartCreateRequest"],
}


def load(name):
    module, kind = name.split(":")
    try:
        return getattr(importlib.import_module(S + module), kind)
    except ModuleNotFoundError:  # error_response moved between the versions
        return None


def main():
    types = {kind: [t for t in map(load, names) if t] for kind, names in TYPES.items()}
    assert all(types.values()), "a kind of message has no type in this SDK"
    n = bad = 0
    for line in sys.stdin:
        m = json.loads(line)
        n += 1
        for t in types[m["kind"]]:
            try:
                t.model_validate(m["body"])
            except ValueError as e:
                bad += 1
                print(f"{m['kind']} is no {t.__name__}: {e}\n  {json.dumps(m['body'], ensure_ascii=False)[:400]}")
    print(f"{n} messages, {bad} invalid")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
