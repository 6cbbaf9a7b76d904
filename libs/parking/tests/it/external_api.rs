//! `docs/external-api.json` and the reader say the same.

use parking::reference::{Refused, max_items, read};
use serde_json::{Value, json};
use wire::reference::DocumentKind;

const API: &str = include_str!("../../../../docs/external-api.json");

fn api() -> Value {
    serde_json::from_str(API).unwrap()
}

/// Every document with its part of the description.
fn documents(api: &Value) -> [(DocumentKind, &Value); 3] {
    DocumentKind::ALL.map(|kind| {
        let at = format!("/paths/~1{}/get/responses/200/content/application~1json", kind.path());
        (kind, api.pointer(&at).unwrap())
    })
}

fn reading(kind: DocumentKind, document: &Value) -> Result<usize, Refused> {
    read(kind, document.to_string().as_bytes()).map(|r| r.items)
}

/// Where a `$ref` within the file leads.
fn followed<'a>(api: &'a Value, schema: &'a Value) -> &'a Value {
    schema["$ref"].as_str().and_then(|r| api.pointer(r.strip_prefix('#')?)).unwrap_or(schema)
}

#[test]
fn every_example_is_taken() {
    let api = api();
    for (kind, content) in documents(&api) {
        let examples = content["examples"].as_object().unwrap();
        assert!(!examples.is_empty());
        for (name, example) in examples {
            let items = example["value"]["items"].as_array().unwrap().len();
            assert_eq!(reading(kind, &example["value"]), Ok(items), "{kind} {name}");
        }
    }
}

#[test]
fn every_bad_example_is_refused_for_what_it_says() {
    let api = api();
    for (kind, content) in documents(&api) {
        for bad in content["x-refused"].as_array().unwrap() {
            let refused = reading(kind, &bad["value"]).unwrap_err();
            let first = &refused.errors[0];
            let want = (bad["field"].as_str().unwrap(), bad["code"].as_str().unwrap());
            assert_eq!((first.field.as_str(), first.code.as_str()), want, "{kind}: {}", bad["why"]);
        }
    }
}

#[test]
fn what_the_schema_needs_the_reader_needs_and_what_it_leaves_out_is_refused() {
    let api = api();
    for (kind, content) in documents(&api) {
        let document = followed(&api, &content["schema"]);
        let items = &document["properties"]["items"];
        assert_eq!(items["maxItems"], json!(max_items(kind)), "{kind}");
        let schema = followed(&api, &items["items"]);
        let mut examples = content["examples"].as_object().unwrap().values().map(|e| &e["value"]);
        let example = examples.find(|e| !e["items"].as_array().unwrap().is_empty()).unwrap().clone();
        // Rate tables have a schema of their own.
        let Some(properties) = schema["properties"].as_object() else { continue };
        for name in properties.keys() {
            let mut bare = example.clone();
            bare["items"][0].as_object_mut().unwrap().remove(name);
            let needed = schema["required"].as_array().unwrap().contains(&json!(name));
            match reading(kind, &bare) {
                Ok(_) => assert!(!needed, "{kind} without {name} is taken"),
                Err(e) => {
                    assert!(needed, "{kind} without {name}: {e}");
                    assert_eq!(e.errors[0].field, format!("/items/0/{name}"));
                }
            }
        }
        let mut more = example;
        more["items"][0]["something_else"] = json!(1);
        assert_eq!(reading(kind, &more).unwrap_err().errors[0].code, "not_allowed", "{kind}");
    }
}

#[test]
fn every_role_of_the_schema_is_known() {
    let api = api();
    let (_, content) = documents(&api)[1];
    let roles = api.pointer("/components/schemas/StaffMember/properties/role/enum").unwrap();
    for role in roles.as_array().unwrap() {
        let mut document = content["examples"]["staff"]["value"].clone();
        document["items"][0]["role"] = role.clone();
        assert!(reading(DocumentKind::Staff, &document).is_ok(), "{role}");
    }
}
