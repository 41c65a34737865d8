"""A call, a refusal and a list, by the client that openapi-python-client generates.

Arguments: the folder of the generated package, the gate's address, a token.
"""

import json
import sys

folder, address, token = sys.argv[1:]
sys.path.insert(0, folder)

from client import AuthenticatedClient  # noqa: E402
from client.api.calls import calls_call, calls_tools  # noqa: E402
from client.api.runs import runs_list  # noqa: E402
from client.models import NewCall, NewCallArguments, Problem  # noqa: E402


def arguments(**values):
    return NewCallArguments.from_dict(values)


with AuthenticatedClient(base_url=address, token=token) as gate:
    tools = calls_tools.sync(client=gate)
    call = NewCall(tool="files__read", arguments=arguments(path="letter.txt"), run="generated")
    read = calls_call.sync(client=gate, body=call)
    runs = runs_list.sync(client=gate, limit=10)
    with AuthenticatedClient(base_url=address, token="not-a-token") as stranger:
        refused = calls_call.sync_detailed(client=stranger, body=call)

assert isinstance(refused.parsed, Problem), refused
print(
    json.dumps(
        {
            "tools": [tool.name for tool in tools],
            "outcome": read.outcome,
            "content": [item.to_dict() for item in read.content],
            "runs": len(runs.runs),
            "refused": [int(refused.status_code), refused.parsed.code],
        }
    )
)
