"""An agent without a model: it plays the calls of a file over MCP, as any client would make them, and shows what it
gets to read. It needs nothing but Python.

    python3 scripted_agent.py run.jsonl RUN tollgate serve --stdio --agent support

A line of the file is one call: {"tool": "tickets__read", "arguments": {"id": "T-1042"}}; or what the user asks for,
{"request": "Answer T-1042"}, which is sent with the calls that follow. RUN names the run that all of them belong to.
The rest is the command that starts the server.
"""

import json
import subprocess
import sys

PROTOCOL = "2025-11-25"
# Characters of a text that are shown of a result. Refusals are shown whole.
SHOWN = 100


class Server:
    """An MCP server on the other end of a pipe: JSON-RPC, one message a line."""

    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.last_id = 0

    def send(self, message):
        self.process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        self.process.stdin.flush()

    def request(self, method, params):
        """The result, or an exception with the server's error."""
        self.last_id += 1
        self.send({"id": self.last_id, "method": method, "params": params})
        for line in self.process.stdout:
            message = json.loads(line)
            if message.get("id") != self.last_id or "method" in message:
                continue  # a notification, or a request of the server's own
            if "error" in message:
                raise RuntimeError(message["error"]["message"])
            return message["result"]
        raise RuntimeError("the server ended without an answer")

    def close(self):
        self.process.stdin.close()
        return self.process.wait()


def short(text):
    """The beginning of a text, in one line."""
    line = " ".join(text.split())
    return line if len(line) <= SHOWN else line[:SHOWN] + "…"


def play(server, run, calls):
    client = {"name": "scripted-agent", "version": "1.0"}
    server.request("initialize", {"protocolVersion": PROTOCOL, "capabilities": {}, "clientInfo": client})
    server.send({"method": "notifications/initialized"})
    print(f"  {len(server.request('tools/list', {})['tools'])} tools on offer")
    meta = {"dev.tollgate/run": run}
    for call in calls:
        if "request" in call:
            print(f"  “{call['request']}”", flush=True)
            meta["dev.tollgate/user-request"] = call["request"]
            continue
        arguments = call.get("arguments", {})
        print(f"  → {call['tool']} {short(json.dumps(arguments))}", flush=True)
        params = {"name": call["tool"], "arguments": arguments, "_meta": meta}
        try:
            result = server.request("tools/call", params)
        except RuntimeError as error:
            print(f"    ! {error}")
            continue
        text = " ".join(block["text"] for block in result["content"] if block["type"] == "text")
        print(f"    ✗ {text}" if result.get("isError") else f"    ✓ {short(text)}", flush=True)


def main():
    if len(sys.argv) < 4:
        sys.exit("usage: scripted_agent.py FILE RUN COMMAND..")
    file, run, *command = sys.argv[1:]
    with open(file, encoding="utf-8") as lines:
        calls = [json.loads(line) for line in lines if line.strip()]
    server = Server(command)
    try:
        play(server, run, calls)
    finally:
        status = server.close()
    sys.exit(status)


main()
