use super::*;

async fn thread_name() -> Option<String> {
    tokio::task::yield_now().await;
    thread::current().name().map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_quick_guest_stays_on_the_callers_thread() {
    let pool = LowPriorityPool::start().unwrap();
    let history = Arc::default();
    let ran = pool.run(thread_name(), CpuProfile::new(&history)).await;
    assert_ne!(ran.unwrap().as_deref(), Some("tollgate-guests"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_long_guest_is_moved_and_the_next_calls_begin_there() {
    let pool = LowPriorityPool::start().unwrap();
    let history = Arc::default();
    let profile = CpuProfile::new(&history);
    let guest = profile.clone();
    let moved = async move {
        let before = thread::current().name().map(str::to_owned);
        guest.long();
        (before, thread_name().await)
    };
    let (before, after) = pool.run(moved, profile).await.unwrap();
    assert_ne!(before.as_deref(), Some("tollgate-guests"));
    assert_eq!(after.as_deref(), Some("tollgate-guests"));

    for _ in 0..WARY {
        let priority = async { rustix::process::getpriority_process(None).unwrap() };
        let ran = pool.run(priority, CpuProfile::new(&history)).await;
        assert_eq!(ran, Some(NICE));
    }
    let ran = pool.run(thread_name(), CpuProfile::new(&history)).await;
    assert_ne!(ran.unwrap().as_deref(), Some("tollgate-guests"));
}

#[test]
fn a_guest_that_asks_its_host_may_compute_longer() {
    let millis = Duration::from_millis;
    let is_long = |ticks: &[(u64, u64)]| {
        let profile = CpuProfile::new(&Arc::default());
        let mut watch = profile.clone().watch();
        ticks
            .iter()
            .for_each(|&(used, left)| watch(millis(used), left));
        profile.is_long()
    };
    assert!(is_long(&[(1, 9), (2, 9)]));
    assert!(!is_long(&[(1, 9), (2, 8), (3, 8), (4, 7), (19, 6)]));
    assert!(is_long(&[(1, 9), (2, 8), (3, 7), (5, 7)]));
    assert!(is_long(&[(10, 9), (20, 8)]));
}

#[tokio::test]
async fn a_panic_in_the_pool_returns_none() {
    let pool = LowPriorityPool::start().unwrap();
    let history = Arc::default();
    let profile = CpuProfile::new(&history);
    profile.long();
    let ran: Option<()> = pool.run(async { panic!("planned") }, profile).await;
    assert_eq!(ran, None);
}
