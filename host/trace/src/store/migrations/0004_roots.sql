-- The root of a run, below which the gate's spans hang that have no other span above them.
CREATE INDEX spans_root ON spans (trace, span) WHERE origin = 0 AND kind = 'invoke_agent';
