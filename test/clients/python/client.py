"""A program as its users write it: the OpenFeature SDK with an unmodified provider. It is asked by lines of JSON on standard
input, and answers by lines of JSON on standard output; what its provider tells of is a line too."""

import json
import sys
import threading

from openfeature import api
from openfeature.contrib.provider.flagd import FlagdProvider
from openfeature.contrib.provider.flagd.config import ResolverType
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext
from openfeature.event import ProviderEvent

lock = threading.Lock()


def say(**line):
    with lock:
        print(json.dumps(line), flush=True)


def provider_of(kind, port, selector):
    if kind == "ofrep":
        return OFREPProvider(f"http://127.0.0.1:{port}", headers_factory=lambda: {"Flagd-Selector": selector})
    return FlagdProvider(
        host="127.0.0.1",
        port=port,
        selector=selector,
        resolver_type=ResolverType.RPC if kind == "rpc" else ResolverType.IN_PROCESS,
        deadline_ms=5_000,
        retry_backoff_ms=200,
        retry_backoff_max_ms=500,
    )


def context_of(attributes):
    rest = {name: value for name, value in attributes.items() if name != "targetingKey"}
    return EvaluationContext(attributes.get("targetingKey"), rest)


def main(kind, port, selector):
    api.set_provider_and_wait(provider_of(kind, int(port), selector)) if hasattr(
        api, "set_provider_and_wait"
    ) else api.set_provider(provider_of(kind, int(port), selector))
    client = api.get_client()
    client.add_handler(
        ProviderEvent.PROVIDER_CONFIGURATION_CHANGED, lambda event: say(changed=list(event.flags_changed or []))
    )
    client.add_handler(ProviderEvent.PROVIDER_READY, lambda event: say(ready=True))
    ask = {
        "boolean": client.get_boolean_details,
        "string": client.get_string_details,
        "number": client.get_float_details,
    }
    for line in sys.stdin:
        question = json.loads(line)
        answers = [
            ask[question["type"]](question["key"], question["default"], context_of(context))
            for context in question["contexts"]
        ]
        say(
            answers=[
                {"value": answer.value, "variant": answer.variant, "reason": str(answer.reason), "metadata": answer.flag_metadata}
                for answer in answers
            ]
        )


main(*sys.argv[1:])
