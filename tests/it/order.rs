//! The order of what one client sends over one socket.

use serde_json::json;

use crate::support::TestServer;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn mutations_of_one_socket_are_stored_in_their_order() {
    const COUNT: usize = 60;
    let server = TestServer::start().await;
    let mut socket = server.reader_socket("ada").await;
    let bodies: Vec<String> = (0..COUNT).map(|number| number.to_string()).collect();
    let write = "mutation($body: String!) {
        createComment(input: { postId: \"hello\", body: $body }) { comment { id } } }";
    let operations = bodies.iter().map(|body| {
        let payload = json!({"query": write, "variables": {"body": body}});
        json!({"id": body, "type": "subscribe", "payload": payload})
    });
    socket.send_together(operations).await;
    for _ in 0..2 * COUNT {
        let kind = socket.message().await["type"].take();
        assert!(kind == "next" || kind == "complete", "{kind}");
    }
    assert_eq!(server.client().bodies().await, bodies);
    socket.close().await;
    server.stop().await;
}
