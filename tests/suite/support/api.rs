//! A client that validates every answer against the service's own OpenAPI document: an undocumented status, media type
//! or field fails the test.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, HeaderValue};
use jsonschema::Validator;
use reqwest::{Body, IntoUrl, Method, Request, Response, ResponseBuilderExt, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};

/// The part of `reqwest::Client` that tests use.
#[derive(Clone)]
pub struct Client(reqwest::Client);

impl Client {
    pub fn new() -> Self {
        Self(reqwest::Client::new())
    }

    pub fn get(&self, url: impl IntoUrl) -> RequestBuilder {
        self.request(Method::GET, url)
    }

    pub fn post(&self, url: impl IntoUrl) -> RequestBuilder {
        self.request(Method::POST, url)
    }

    pub fn put(&self, url: impl IntoUrl) -> RequestBuilder {
        self.request(Method::PUT, url)
    }

    pub fn request(&self, method: Method, url: impl IntoUrl) -> RequestBuilder {
        RequestBuilder(self.0.clone(), self.0.request(method, url))
    }

    pub async fn execute(&self, request: Request) -> reqwest::Result<Response> {
        let (method, path) = (request.method().clone(), request.url().path().to_owned());
        let response = self.0.execute(request).await?;
        checked(&method, &path, response).await
    }
}

/// The part of `reqwest::RequestBuilder` that tests use.
pub struct RequestBuilder(reqwest::Client, reqwest::RequestBuilder);

impl RequestBuilder {
    fn with(self, change: impl FnOnce(reqwest::RequestBuilder) -> reqwest::RequestBuilder) -> Self {
        Self(self.0, change(self.1))
    }

    pub fn bearer_auth(self, token: impl std::fmt::Display) -> Self {
        self.with(|request| request.bearer_auth(token))
    }

    pub fn header<K, V>(self, name: K, value: V) -> Self
    where
        HeaderName: TryFrom<K, Error: Into<axum::http::Error>>,
        HeaderValue: TryFrom<V, Error: Into<axum::http::Error>>,
    {
        self.with(|request| request.header(name, value))
    }

    pub fn json(self, body: &impl Serialize) -> Self {
        self.with(|request| request.json(body))
    }

    pub fn body(self, body: impl Into<Body>) -> Self {
        self.with(|request| request.body(body))
    }

    pub fn timeout(self, timeout: std::time::Duration) -> Self {
        self.with(|request| request.timeout(timeout))
    }

    pub fn build(self) -> reqwest::Result<Request> {
        self.1.build()
    }

    pub async fn send(self) -> reqwest::Result<Response> {
        Client(self.0).execute(self.1.build()?).await
    }
}

/// The document, and its validators.
struct Document {
    document: Value,
    /// The same without additional fields.
    strict: Value,
    validators: Mutex<HashMap<String, &'static Validator>>,
}

static DOCUMENT: LazyLock<Document> = LazyLock::new(|| {
    let document: Value = serde_json::from_slice(&warmledger::http::document().unwrap()).unwrap();
    let mut components = document["components"].clone();
    strict(&mut components);
    Document {
        document,
        strict: components,
        validators: Mutex::default(),
    }
});

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

impl Document {
    /// The document's path that matches a call's; of several, the one with the fewest parameters.
    fn path(&self, path: &str) -> Option<&str> {
        let fits = |pattern: &&String| {
            let (mut named, mut given) = (pattern.split('/').peekable(), path.split('/'));
            while let Some(name) = named.next() {
                let Some(part) = given.next() else { return false };
                let is_parameter = name.starts_with('{');
                // a tile's number is the rest of its path
                if is_parameter && named.peek().is_none() && name == "{tile}" {
                    return true;
                }
                if !is_parameter && name != part || is_parameter && part.is_empty() {
                    return false;
                }
            }
            given.next().is_none()
        };
        let paths = self.document["paths"].as_object().unwrap().keys();
        let fitting = paths.filter(fits);
        fitting
            .min_by_key(|pattern| pattern.matches('{').count())
            .map(String::as_str)
    }

    fn validator(&self, schema: &Value) -> &'static Validator {
        let mut validators = self.validators.lock().unwrap();
        validators.entry(schema.to_string()).or_insert_with(|| {
            let mut schema = schema.clone();
            strict(&mut schema);
            let schema = json!({"allOf": [schema], "components": self.strict});
            let validator = jsonschema::draft202012::options()
                .should_validate_formats(true)
                .build(&schema)
                .unwrap();
            // leaked once per schema, for as long as the test runs
            Box::leak(Box::new(validator))
        })
    }
}

/// The answer, once validated. Only the beginning of a stream is read.
async fn checked(method: &Method, path: &str, response: Response) -> reqwest::Result<Response> {
    let call = format!("{method} {path}: {}", response.status());
    let Some(pattern) = DOCUMENT.path(path) else {
        assert!(
            response.status().is_client_error() || response.status().is_server_error(),
            "{call}: no such path is documented"
        );
        return Ok(response);
    };
    let method = if method == Method::HEAD {
        "get".to_owned()
    } else {
        method.as_str().to_ascii_lowercase()
    };
    let operation = &DOCUMENT.document["paths"][pattern][&method];
    if operation.is_null() {
        assert_eq!(
            response.status(),
            StatusCode::METHOD_NOT_ALLOWED,
            "{call}: the method is not documented"
        );
        return Ok(response);
    }
    let documented = &operation["responses"][response.status().as_str()];
    assert!(documented.is_object(), "{call}: the status is not documented");
    let kind = response
        .headers()
        .get(CONTENT_TYPE)
        .map(|kind| kind.to_str().unwrap().to_owned());
    let media = kind
        .as_deref()
        .map(|kind| kind.split(';').next().unwrap_or_default().trim());
    let Some(contents) = documented["content"].as_object() else {
        assert_eq!(media, None, "{call}: no content is documented");
        return Ok(response);
    };
    let content = media.and_then(|media| contents.get(media));
    let content = content.unwrap_or_else(|| panic!("{call}: {kind:?} is not documented"));
    let is_json = media.is_some_and(|media| media.ends_with("json"));
    if !is_json || response.content_length() == Some(0) {
        return Ok(response);
    }
    let mut rebuilt = axum::http::Response::builder()
        .status(response.status())
        .version(response.version());
    *rebuilt.headers_mut().unwrap() = response.headers().clone();
    let url = response.url().clone();
    let bytes = response.bytes().await?;
    if !bytes.is_empty() {
        let answer: Value = serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{call}: {error}"));
        let errors: Vec<String> = DOCUMENT
            .validator(&content["schema"])
            .iter_errors(&answer)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{call} is not as documented: {errors:#?}");
    }
    Ok(Response::from(rebuilt.url(url).body(bytes).unwrap()))
}
