//! The API validated against its own OpenAPI document: the document is valid, every route is in it, every answer
//! matches it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use jsonschema::Validator;
use serde_json::{Value, json};

use super::{calls, text, with_history};
use crate::on_both_stores;
use crate::support::Database;

on_both_stores!(every_answer_is_as_its_document_says);

/// Every call that the contract names for this version.
const CONTRACT: [&str; 53] = [
    "delete /api/v1/consumers/{name}",
    "delete /api/v1/subjects/{userId}",
    "delete /api/v1/tokens/{id}",
    "get /",
    "get /api/v1/access",
    "get /api/v1/checkpoints",
    "get /api/v1/consumers",
    "get /api/v1/consumers/{name}",
    "get /api/v1/customers",
    "get /api/v1/customers/{userId}",
    "get /api/v1/deliveries",
    "get /api/v1/domains",
    "get /api/v1/domains/{domain}",
    "get /api/v1/domains/{domain}/mailboxes",
    "get /api/v1/events",
    "get /api/v1/events/stream",
    "get /api/v1/failures",
    "get /api/v1/mailboxes",
    "get /api/v1/orders",
    "get /api/v1/orders/{orderId}",
    "get /api/v1/orders/{orderId}/diff",
    "get /api/v1/orders/{orderId}/events",
    "get /api/v1/projections",
    "get /api/v1/projections/{name}/diff",
    "get /api/v1/projections/{name}/parked",
    "get /api/v1/proofs/consistency",
    "get /api/v1/proofs/inclusion",
    "get /api/v1/proofs/inclusion.tlog-proof",
    "get /api/v1/registrations",
    "get /api/v1/renewals",
    "get /api/v1/search",
    "get /api/v1/signing-keys",
    "get /api/v1/subjects",
    "get /api/v1/subjects/{userId}",
    "get /api/v1/tokens",
    "get /checkpoint",
    "get /healthz",
    "get /metrics",
    "get /openapi.json",
    "get /readyz",
    "get /tile/entries/{tile}",
    "get /tile/{level}/{tile}",
    "post /api/v1/consumers/{name}/checkpoint",
    "post /api/v1/domains/{domain}/credentials/reveal",
    "post /api/v1/events/{position}/evidence",
    "post /api/v1/mailboxes/{mailboxId}/credentials/reveal",
    "post /api/v1/projections/{name}/rebuild",
    "post /api/v1/projections/{name}/retry",
    "post /api/v1/subjects/{userId}/hold",
    "post /api/v1/subjects/{userId}/release",
    "post /api/v1/tokens",
    "post /webhooks/{source}",
    "put /api/v1/consumers/{name}",
];

async fn document(database: &Database) -> Value {
    let service = database.service().await;
    let document = service.get_json("/openapi.json").await;
    service.stop().await;
    document
}

fn operations(document: &Value) -> impl Iterator<Item = (String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().iter();
        methods.map(move |(method, operation)| (format!("{method} {path}"), operation))
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_is_documented() {
    let document = document(&Database::sqlite()).await;
    let calls: BTreeSet<String> = operations(&document).map(|(call, _)| call).collect();
    let rows = projections::all().iter();
    let rows = rows.map(|projection| format!("get /api/v1/projections/{}/rows", projection.name()));
    assert_eq!(calls, CONTRACT.map(str::to_owned).into_iter().chain(rows).collect());
    // one macro adds a route to both router and document; none may bypass it
    let http = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http");
    let mut files = vec![http.with_extension("rs")];
    let mut folders = vec![http];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { &mut folders } else { &mut files }.push(path);
        }
    }
    for file in files {
        let code = std::fs::read_to_string(&file).unwrap();
        let code = code.split("#[cfg(test)]").next().unwrap();
        assert!(
            !code.contains(".route("),
            "{} has a route past the document",
            file.display()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_is_sound() {
    let document = document(&Database::sqlite()).await;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."));
    for field in ["title", "version", "description"] {
        assert!(!document["info"][field].as_str().unwrap().is_empty(), "{field}");
    }
    let bearer = &document["components"]["securitySchemes"]["bearer"];
    assert_eq!((&bearer["type"], &bearer["scheme"]), (&json!("http"), &json!("bearer")));
    let mut ids = BTreeSet::new();
    for (call, operation) in operations(&document) {
        assert!(
            ids.insert(operation["operationId"].as_str().unwrap()),
            "{call}: the id is not its own"
        );
        let (_, path) = call.split_once(' ').unwrap();
        let in_path: BTreeSet<&str> = path
            .split('/')
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
            .collect();
        let mut documented = BTreeSet::new();
        let mut names = BTreeSet::new();
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let (name, place) = (parameter["name"].as_str().unwrap(), parameter["in"].as_str().unwrap());
            assert!(names.insert((name, place)), "{call}: {name} twice");
            let described = [&parameter["description"], &parameter["schema"]["description"]];
            assert!(described.iter().any(|text| text.is_string()), "{call}: {name}");
            assert!(
                jsonschema::draft202012::meta::is_valid(&parameter["schema"]),
                "{call}: {name}"
            );
            match place {
                "path" => {
                    assert_eq!(parameter["required"], true);
                    documented.insert(name);
                }
                // a row needs its key, a proof its position, and a search its address
                "query" => assert_eq!(
                    parameter["required"] == true,
                    name == "key" && path.ends_with("/diff")
                        || name == "email" && (path.ends_with("/search") || path.ends_with("v1/mailboxes"))
                        || name == "position" && path.contains("/proofs/inclusion")
                        || name == "from" && path.ends_with("/proofs/consistency"),
                    "{call}: {name}"
                ),
                _ => assert_eq!(place, "header"),
            }
        }
        assert_eq!(documented, in_path, "{call}");
        let responses = operation["responses"].as_object().unwrap();
        assert!(responses.keys().any(|status| status.starts_with('2')), "{call}");
        for (status, response) in responses {
            assert!(!response["description"].as_str().unwrap().is_empty(), "{call} {status}");
            if !status.starts_with('2') {
                let problem = &response["content"]["application/problem+json"]["schema"]["$ref"];
                assert_eq!(problem, "#/components/schemas/Problem", "{call} {status}");
            }
        }
        let secured = operation["security"]
            .as_array()
            .is_some_and(|needs| needs[0].get("bearer").is_some());
        let parts = ["/api/", "/checkpoint", "/tile/"];
        assert_eq!(secured, parts.iter().any(|part| path.starts_with(part)), "{call}");
        assert_eq!(
            responses.contains_key("401"),
            secured || path.starts_with("/webhooks/"),
            "{call}"
        );
    }
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        assert!(jsonschema::draft202012::meta::is_valid(schema), "{name}");
    }
    references_lead_somewhere(&document, &document);
}

/// The names of schemas in the document, with their source files.
fn schema_names(folder: &Path, names: &mut BTreeMap<String, Vec<String>>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            schema_names(&path, names);
            continue;
        }
        let code = std::fs::read_to_string(&path).unwrap();
        for derived in code.split("#[derive(").skip(1) {
            let (traits, rest) = derived.split_once(")]").unwrap();
            if !traits.contains("ToSchema") {
                continue;
            }
            let is_type = |line: &&str| line.contains("struct ") || line.contains("enum ");
            let line = rest.lines().find(is_type).unwrap();
            let word = |text: &str| text.split(|c: char| !c.is_alphanumeric()).next().unwrap().to_owned();
            let own = line.split("struct ").nth(1).or(line.split("enum ").nth(1)).unwrap();
            let (attributes, _) = rest.split_once(line).unwrap();
            let name = attributes.split("schema(as = ").nth(1).map_or_else(|| word(own), word);
            names.entry(name).or_default().push(path.display().to_string());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_two_schemas_share_a_name_and_fields_are_called_as_they_are_sent() {
    let mut names = BTreeMap::new();
    schema_names(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut names);
    assert!(names.len() > 40, "{names:?}");
    names.retain(|_, files| files.len() > 1);
    assert!(names.is_empty(), "the document keeps one of them: {names:?}");
    let document = document(&Database::sqlite()).await;
    let bodies = operations(&document).filter_map(|(call, operation)| {
        let content = &operation["requestBody"]["content"]["application/json"]["schema"]["$ref"];
        Some((content.as_str()?.to_owned(), call))
    });
    let mut requests: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (reference, call) in bodies {
        requests.entry(reference).or_default().push(call);
    }
    // each call has the body schema of its own file
    for (reference, calls) in requests {
        let resources: BTreeSet<&str> = calls.iter().filter_map(|call| call.split('/').nth(3)).collect();
        let shared = reference.ends_with("RevealRequest");
        assert!(resources.len() == 1 || shared, "{reference}: {calls:?}");
    }
    // except for the rows of projections, which have their columns' names
    let schemas = document["components"]["schemas"].as_object().unwrap().iter();
    for (name, schema) in schemas.filter(|(name, _)| !name.ends_with("Row")) {
        fields_are_in_camel_case(name, schema);
    }
}

fn fields_are_in_camel_case(name: &str, schema: &Value) {
    match schema {
        Value::Object(fields) => {
            for field in fields
                .get("properties")
                .and_then(Value::as_object)
                .into_iter()
                .flat_map(|own| own.keys())
            {
                let camel = field.starts_with(|c: char| c.is_ascii_lowercase()) && !field.contains(['_', '-']);
                assert!(camel, "{name}: {field}");
            }
            fields.values().for_each(|part| fields_are_in_camel_case(name, part));
        }
        Value::Array(parts) => parts.iter().for_each(|part| fields_are_in_camel_case(name, part)),
        _ => {}
    }
}

fn references_lead_somewhere(value: &Value, document: &Value) {
    match value {
        Value::Object(fields) => {
            if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
                let target = document.pointer(reference.strip_prefix('#').unwrap());
                assert!(target.is_some(), "{reference}");
            }
            fields
                .values()
                .for_each(|field| references_lead_somewhere(field, document));
        }
        Value::Array(items) => items.iter().for_each(|item| references_lead_somewhere(item, document)),
        _ => {}
    }
}

/// Forbids fields in an answer that its schema does not name.
fn strict(schema: &mut Value) {
    if let Value::Object(fields) = schema {
        if fields.contains_key("properties") {
            fields.insert("additionalProperties".to_owned(), json!(false));
        }
        fields.values_mut().for_each(strict);
    } else if let Value::Array(items) = schema {
        items.iter_mut().for_each(strict);
    }
}

async fn every_answer_is_as_its_document_says(database: Database) {
    let service = with_history(&database).await;
    let document = service.get_json("/openapi.json").await;
    let mut components = document["components"].clone();
    strict(&mut components);
    let validator = |schema: &Value| -> Validator {
        let schema = json!({"allOf": [schema], "components": components});
        jsonschema::draft202012::options()
            .should_validate_formats(true)
            .build(&schema)
            .unwrap()
    };
    let consumer = service.client.put(format!("{}/api/v1/consumers/billing", service.base));
    let consumer = consumer
        .bearer_auth(&service.token)
        .json(&json!({"filter": {"category": "order"}}));
    assert_eq!(consumer.send().await.unwrap().status(), 201);
    let mut called: BTreeMap<String, u32> = BTreeMap::new();
    for (pattern, path) in calls() {
        let response = service.get(&path).await;
        assert_eq!(response.status(), 200, "{path}");
        let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
        let documented = document["paths"][&pattern]["get"]["responses"]["200"]["content"]
            .as_object()
            .unwrap();
        let (media, content) = documented.iter().next().unwrap();
        assert!(kind.starts_with(media.as_str()), "{path}: {kind} is not {media}");
        let text = text(response).await;
        let answer = serde_json::from_str(&text).unwrap_or(Value::String(text));
        let errors: Vec<String> = validator(&content["schema"])
            .iter_errors(&answer)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{path}: {errors:?}");
        *called.entry(pattern).or_default() += 1;
    }
    for (call, _) in operations(&document) {
        let pattern = call.strip_prefix("get ");
        assert!(
            pattern.is_none_or(|pattern| called.contains_key(pattern)),
            "{call} was not tried"
        );
    }
    let problem = service.get("/api/v1/orders?limit=0").await.json().await.unwrap();
    let schema = json!({"$ref": "#/components/schemas/Problem"});
    assert!(validator(&schema).is_valid(&problem), "{problem}");
    service.stop().await;
}
