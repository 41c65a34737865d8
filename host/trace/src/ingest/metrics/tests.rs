use super::*;
use crate::ingest::{Format, decode};

#[test]
fn data_points_are_counted() {
    let json = br#"{"resourceMetrics":[{"resource":{},"scopeMetrics":[{"metrics":[
            {"name":"a","sum":{"dataPoints":[{"asInt":"1"},{"asInt":"2"}],"isMonotonic":true}},
            {"name":"b","gauge":{"dataPoints":[{"asDouble":1.5}]}},{"name":"c"}]}]}]}"#;
    let request: MetricsRequest = decode(json, Format::Json).unwrap();
    assert_eq!(request.data_points(), 3);
    let bytes = request.encode_to_vec();
    let again: MetricsRequest = decode(&bytes, Format::Protobuf).unwrap();
    assert_eq!(again.data_points(), 3);
}
