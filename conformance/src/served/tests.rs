use serde_json::json;

use super::*;

#[test]
fn what_is_missing_is_assumed_and_said() {
    let served = Served::read(None, None, None);
    assert_eq!(served.problems().len(), 3, "{:?}", served.problems());
    assert!(served.schemas_are_assumed() && served.types_are_assumed());
    let user = served.type_of("User").unwrap();
    let name = served.attribute(user, "userName").unwrap();
    assert!(name.required && name.is_writable());
    assert_eq!(served.announces("patch"), None);
}

#[test]
fn broken_documents_are_read_as_far_as_they_go() {
    let config =
        json!({"patch": {"supported": "True"}, "bulk": {"supported": false, "maxOperations": 7}});
    let types = json!([
        {"name": "User", "endpoint": "https://h/scim/Users/", "schema": "urn:x:User",
         "schemaExtensions": [{"schema": "urn:x:Badge", "required": true}, 7]},
        {"name": "NoEndpoint", "schema": "urn:x"}, "text",
    ]);
    let schemas = json!({"resources": [
        {"id": "urn:x:User", "attributes": [{"name": "userName"}, {"type": "string"}, {"name": "name",
          "type": "complex", "subAttributes": [{"name": "familyName", "required": "yes"}]}]},
        {"id": "urn:x:Badge", "attributes": [{"name": "number", "type": "integer"}]},
        {"attributes": []},
    ]});
    let served = Served::read(Some(&config), Some(&types), Some(&schemas));
    assert_eq!(served.announces("PATCH"), Some(true));
    assert_eq!(served.announces("bulk"), Some(false));
    assert_eq!(served.limit("bulk", "maxOperations"), Some(7));
    assert_eq!(served.types().len(), 1);
    assert_eq!(served.users(), "/Users");
    let user = served.type_of("/users").unwrap();
    assert_eq!(user.extensions, [("urn:x:Badge".to_owned(), true)]);
    let of = |path: &str| served.attribute(user, path).map(|a| a.kind.as_str());
    assert_eq!(of("NAME.familyname"), Some("string"));
    assert_eq!(of("urn:x:Badge:number"), Some("integer"));
    assert_eq!(of("urn:x:User:userName"), Some("string"));
    assert_eq!(of("number"), None);
    assert_eq!(of("name.givenName"), None);
    assert!(served.problems().is_empty(), "{:?}", served.problems());
}

#[test]
fn a_type_without_its_schema_is_a_problem() {
    let types =
        json!({"Resources": [{"name": "User", "endpoint": "/Users", "schema": "urn:gone"}]});
    let schemas = json!({"Resources": [{"id": "urn:x", "attributes": []}]});
    let served = Served::read(Some(&json!({})), Some(&types), Some(&schemas));
    assert!(served.problems()[0].contains("urn:gone"), "{:?}", served.problems());
}
