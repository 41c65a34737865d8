use super::*;

#[tokio::test]
async fn the_request_that_is_named_is_cancelled_and_no_other() {
    let cancels = Cancels::default();
    let (one, listed) = cancels.listen(RequestId::Number(1), None);
    let (other, _listed) = cancels.listen(RequestId::Number(2), None);
    cancels.cancel(&RequestId::Number(1));
    cancels.cancel(&RequestId::Number(3));
    assert_eq!((*one.borrow(), *other.borrow()), (true, false));

    let (again, _again) = cancels.listen(RequestId::Number(1), None);
    drop(listed);
    cancels.cancel(&RequestId::Number(1));
    assert!(*again.borrow(), "it is still listed");
}

#[tokio::test]
async fn a_connection_that_is_closed_cancels_where_that_is_how_it_is_said() {
    let cancels = Cancels::default();
    let connection = CancellationToken::new();
    let (mut told, _listed) = cancels.listen(RequestId::Number(1), Some(connection.clone()));
    connection.cancel();
    assert!(told.wait_for(|told| *told).await.is_ok());
}
