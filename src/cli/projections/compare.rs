//! Two versions of a row, compared field by field.

use projections::Column;
use serde::Serialize;
use serde_json::{Map, Value, json};

use store::Difference;

/// A row that differs between live and rebuilt rows, or is missing in one.
#[derive(Serialize)]
pub(super) struct Differing {
    key: String,
    live: Value,
    rebuilt: Value,
}

impl Differing {
    /// Parses the store's texts: a list of the document and the columns' values.
    pub(super) fn new(difference: &Difference, columns: &[Column]) -> Self {
        Self {
            key: difference.key.clone(),
            live: row(difference.live.as_deref(), columns),
            rebuilt: row(difference.rebuilt.as_deref(), columns),
        }
    }

    /// The key, and the differing fields, a line each.
    pub(super) fn to_text(&self) -> String {
        let mut text = match (&self.live, &self.rebuilt) {
            (Value::Null, _) => return format!("{}: missing in the live rows\n", self.key),
            (_, Value::Null) => return format!("{}: in the live rows only\n", self.key),
            _ => format!("{}\n", self.key),
        };
        fields(&self.live, &self.rebuilt, String::new(), &mut text);
        text
    }
}

/// `{"document": …, "columns": {…}}`; the unchanged text, if it doesn't parse.
fn row(text: Option<&str>, columns: &[Column]) -> Value {
    let Some(text) = text else { return Value::Null };
    let Ok(Value::Array(values)) = serde_json::from_str(text) else {
        return Value::from(text);
    };
    let mut values = values.into_iter();
    let document = match values.next() {
        Some(Value::String(document)) => serde_json::from_str(&document).unwrap_or(Value::String(document)),
        other => other.unwrap_or_default(),
    };
    // the key is printed separately
    let names = columns.iter().filter(|column| !column.is_key);
    let names = names.map(|column| column.name.to_owned());
    json!({"document": document, "columns": names.zip(values).collect::<Map<_, _>>()})
}

fn fields(live: &Value, rebuilt: &Value, path: String, text: &mut String) {
    match (live, rebuilt) {
        _ if live == rebuilt => {}
        (Value::Object(a), Value::Object(b)) => {
            let more = b.keys().filter(|name| !a.contains_key(*name));
            for name in a.keys().chain(more) {
                let path = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                let side = |fields: &Map<String, Value>| fields.get(name).cloned().unwrap_or_default();
                fields(&side(a), &side(b), path, text);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                fields(a, b, format!("{path}[{index}]"), text);
            }
        }
        _ => *text += &format!("  {path}: live {live}, rebuilt {rebuilt}\n"),
    }
}

#[cfg(test)]
mod tests {
    use projections::Kind;

    use super::*;

    fn text(live: Option<&str>, rebuilt: Option<&str>) -> String {
        let difference = Difference {
            key: "K".to_owned(),
            live: live.map(str::to_owned),
            rebuilt: rebuilt.map(str::to_owned),
        };
        Differing::new(&difference, &[Column::new("status", Kind::Text)]).to_text()
    }

    #[test]
    fn only_the_fields_that_differ_are_shown() {
        let live = r#"["{\"a\":[1,2],\"b\":1}","failed"]"#;
        let rebuilt = r#"["{\"a\":[1,3],\"b\":1}","partial"]"#;
        assert_eq!(
            text(Some(live), Some(rebuilt)),
            "K\n  columns.status: live \"failed\", rebuilt \"partial\"\n  document.a[1]: live 2, rebuilt 3\n"
        );
        assert_eq!(text(None, Some(rebuilt)), "K: missing in the live rows\n");
        assert_eq!(text(Some(live), None), "K: in the live rows only\n");
    }
}
