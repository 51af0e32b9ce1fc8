//! The first steps of everyone.

use scim_client::Client;
use scim_client::testing::ScriptedTransport;
use serde_json::json;

#[tokio::test]
async fn reads_a_user() {
    let script = ScriptedTransport::new();
    script.json(200, &json!({"id": "7", "userName": "ada"}));
    let client =
        Client::builder("https://scim.example/v2").transport(script.clone()).build().unwrap();
    assert_eq!(client.users().get("7").await.unwrap().user_name, "ada");
    assert_eq!(script.requests()[0].uri.path(), "/v2/Users/7");
}
