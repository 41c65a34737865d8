use super::*;

#[tokio::test]
async fn work_is_done_on_a_thread_that_gives_way() {
    let aside = BackgroundThread::start("aside").unwrap();
    let priority = || rustix::process::getpriority_process(None).unwrap();
    let before = priority();
    assert_eq!(aside.run(priority).await, Some(before.max(NICE)));
    assert_eq!(
        priority(),
        before,
        "the priority of this thread has not changed"
    );
}
