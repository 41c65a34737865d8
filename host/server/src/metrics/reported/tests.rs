use super::*;

#[test]
fn the_store_is_not_summed_up_for_every_scrape() {
    let reported = TraceMetrics {
        path: PathBuf::new(),
        tenant: "acme".into(),
        known: Mutex::default(),
    };
    let sample = |value| {
        vec![Sample {
            name: "reported_cost",
            help: "",
            counter: false,
            labels: Vec::new(),
            value,
        }]
    };
    let start = Instant::now();
    assert_eq!(reported.at(start, || sample(1.0)), sample(1.0));
    let soon = start + FRESH / 2;
    assert_eq!(reported.at(soon, || sample(2.0)), sample(1.0));
    assert_eq!(reported.at(start + FRESH, || sample(3.0)), sample(3.0));
}
