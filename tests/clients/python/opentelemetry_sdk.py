"""An agent's own spans and logs, sent by the official OpenTelemetry SDK: the root, a call of a model, and the
span from which it calls a tool through the gate.

Arguments: protocol (http or grpc), address, token, secret. Prints {trace, call}: the trace's id, and the
traceparent that the gate's call carries. What an exporter fails at ends it with an error."""

import json
import logging
import sys

from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.trace import format_span_id, format_trace_id

protocol, address, token, secret = sys.argv[1:]
headers = {"authorization": f"Bearer {token}"}
if protocol == "http":
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    spans = OTLPSpanExporter(
        endpoint=f"http://{address}/v1/traces", headers=headers, compression=Compression.Gzip
    )
    logs = OTLPLogExporter(endpoint=f"http://{address}/v1/logs", headers=headers)
else:
    from grpc import Compression
    from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    about = {"endpoint": address, "insecure": True, "headers": headers}
    spans = OTLPSpanExporter(compression=Compression.Gzip, **about)
    logs = OTLPLogExporter(**about)

results = []


class Watched(SimpleSpanProcessor):
    """Remembers how each export ended."""

    def on_end(self, span):
        results.append(self.span_exporter.export((span,)))


resource = Resource.create({"service.name": "support-bot"})
provider = TracerProvider(resource=resource)
provider.add_span_processor(Watched(spans))
tracer = provider.get_tracer("support-bot", "1.0")

log_provider = LoggerProvider(resource=resource)
log_provider.add_log_record_processor(SimpleLogRecordProcessor(logs))
log = logging.getLogger("support-bot")
log.addHandler(LoggingHandler(logger_provider=log_provider))

root = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "support-bot"}
with tracer.start_as_current_span("invoke_agent support-bot", attributes=root) as span:
    trace = format_trace_id(span.get_span_context().trace_id)
    with tracer.start_as_current_span("chat gpt-5") as chat:
        chat.set_attributes(
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.request.model": "gpt-5",
                "gen_ai.response.model": "gpt-5-2026-08-07",
                "gen_ai.usage.input_tokens": 2000,
                "gen_ai.usage.output_tokens": 100,
                "gen_ai.conversation.id": "c-7",
                "tollgate.decision.outcome": "allow",
                "note": f"the key is {secret}",
            }
        )
        log.warning("asked with %s", secret)
    with tracer.start_as_current_span("execute_tool read") as tool:
        context = tool.get_span_context()
        call = f"00-{trace}-{format_span_id(context.span_id)}-01"

provider.shutdown()
log_provider.shutdown()
failed = [result for result in results if result is not SpanExportResult.SUCCESS]
print(json.dumps({"trace": trace, "call": call, "failed": len(failed)}))
