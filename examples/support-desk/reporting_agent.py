"""An agent without a model, whose own steps are spans of the OpenTelemetry SDK: it reports them to the gate, and
calls tools through the gate from within them.

Arguments: the gate's address, and which prompt to play (1: it follows what a ticket says; 2: it does not).
Prints the trace's id on its last line."""

import json
import sys
import urllib.error
import urllib.request

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import format_span_id, format_trace_id

READ = ("tickets__read", {"id": "T-1042"})
LOOK_UP = ("customers__read", {"path": "erika.json"})
EXPORT = ("customers__write", {"path": "export/all-customers.json", "text": "{}"})
REPLY = ("tickets__reply", {"id": "T-1042", "text": "Dear Erika, your refund is on its way."})
PROMPTS = {"1": [READ, LOOK_UP, EXPORT], "2": [READ, LOOK_UP, REPLY]}

address, prompt = sys.argv[1:]
provider = TracerProvider(resource=Resource.create({"service.name": "support-bot", "service.version": "1.4.0"}))
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"http://{address}/v1/traces")))
tracer = provider.get_tracer("support-bot")


def think(tokens):
    """What a call of a model would report."""
    with tracer.start_as_current_span("chat gpt-5") as span:
        span.set_attributes(
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.request.model": "gpt-5",
                "gen_ai.usage.input_tokens": tokens,
                "gen_ai.usage.output_tokens": 60,
            }
        )


def call(tool, arguments):
    """A call through the gate, below the span that it is made from."""
    with tracer.start_as_current_span(f"step {tool}") as span:
        context = span.get_span_context()
        parent = f"00-{format_trace_id(context.trace_id)}-{format_span_id(context.span_id)}-01"
        request = urllib.request.Request(
            f"http://{address}/v1/calls",
            data=json.dumps({"tool": tool, "arguments": arguments}).encode(),
            headers={"content-type": "application/json", "traceparent": parent},
        )
        try:
            with urllib.request.urlopen(request) as response:
                answer = json.load(response)
        except urllib.error.HTTPError as error:
            sys.exit(f"{tool}: {error} {error.read().decode()}")
        print(f"  → {tool}: {answer['outcome']}")


root = {
    "gen_ai.operation.name": "invoke_agent",
    "gen_ai.agent.name": "support-bot",
    "prompt.version": prompt,
}
with tracer.start_as_current_span("invoke_agent support-bot", attributes=root) as span:
    trace = format_trace_id(span.get_span_context().trace_id)
    for number, step in enumerate(PROMPTS[prompt]):
        think(1500 + 400 * number)
        call(*step)
provider.shutdown()
print(trace)
