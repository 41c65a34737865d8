"""An OpenTelemetry consumer over gRPC: prints what it takes, one span per line, as the protocol's own JSON.

The messages are those of the package opentelemetry-proto, the server is grpcio's. The first line names the
port. A line `later` on standard input lets it answer the next request with UNAVAILABLE.
"""

import json
import sys
import threading
from concurrent import futures

import grpc
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

later = threading.Semaphore(0)


class Consumer(trace_service_pb2_grpc.TraceServiceServicer):
    def Export(self, request, context):
        if later.acquire(blocking=False):
            context.abort(grpc.StatusCode.UNAVAILABLE, "later")
        metadata = {key: value for key, value in context.invocation_metadata()}
        for of_resource in request.resource_spans:
            resource = MessageToDict(of_resource.resource)
            for of_scope in of_resource.scope_spans:
                for span in of_scope.spans:
                    found = {
                        "key": metadata.get("x-key"),
                        "resource": resource,
                        "scope": of_scope.scope.name,
                        "trace": span.trace_id.hex(),
                        "id": span.span_id.hex(),
                        "parent": span.parent_span_id.hex(),
                        "span": MessageToDict(span),
                    }
                    print(json.dumps(found), flush=True)
        return trace_service_pb2.ExportTraceServiceResponse()


def main():
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(Consumer(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(json.dumps({"port": port}), flush=True)
    for line in sys.stdin:
        if line.strip() == "later":
            later.release()
            print(json.dumps({"later": True}), flush=True)
    server.stop(0)


main()
