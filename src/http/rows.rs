//! `/api/v1/projections/{name}/rows`: the rows of every projection, by any of its declared columns. A projection gets its
//! route and its part of the document by being registered.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::http::request::Parts;
use axum::routing::get;
use projections::access::Access;
use projections::{AnyProjection, Column, Folded, Kind, Projection, Value};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::openapi::path::{OperationBuilder, ParameterBuilder, ParameterIn, Paths};
use utoipa::openapi::schema::{
    ArrayBuilder, KnownFormat, Object, ObjectBuilder, Schema, SchemaFormat, SchemaType, Type,
};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{
    ContentBuilder, HeaderBuilder, HttpMethod, Ref, RefOr, Required, ResponseBuilder, ResponsesBuilder,
};
use utoipa::{IntoParams, IntoResponses, openapi};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use super::auth::{AnyToken, Denied, admit};
use super::extract::{Limit, Query, TimeParameter};
use super::list::{Page, encode, key_in, unreadable};
use super::problem::Refusals;
use super::reading::{Answer, AsOf, AtLeast, Reading, Wanted as State, When};
use super::{App, Problem};
use crate::access::{Caller, Read, Scope};
use store::{Comparison, Condition, RowQuery, SortOrder, StoreError, StoredRow};

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    let all = projections::all().iter();
    all.fold(OpenApiRouter::new(), |router, projection| {
        router.routes(route(*projection))
    })
}

/// Which scope the rows of a projection need: the access log is not for everybody who may look at orders.
pub(super) fn scope_of(projection: &dyn AnyProjection) -> Scope {
    if projection.name() == Access::NAME {
        Scope::Audit
    } else {
        Scope::Read
    }
}

/// A row.
#[derive(Serialize)]
struct Item {
    key: String,
    columns: serde_json::Map<String, serde_json::Value>,
    document: Box<RawValue>,
}

/// What a call asks for.
#[derive(Debug)]
struct Wanted {
    conditions: Vec<Condition>,
    limit: u32,
    after: Option<String>,
    as_of: Option<AsOf>,
    at_least: Option<u64>,
}

/// The rows of one projection, in the order of their keys.
async fn rows(
    projection: &'static dyn AnyProjection,
    app: Arc<App>,
    caller: &Caller,
    header: AtLeast,
    parameters: Vec<(String, String)>,
) -> Result<Answer<Page<Item>>, Problem> {
    let (name, store) = (projection.name(), &*app.store);
    let list = format!("{name}/rows");
    let wanted = wanted(projection, parameters)?;
    let cursor = wanted.after.as_deref();
    let after = cursor.map(|cursor| key_in(cursor, &list)).transpose()?;
    let state = State::new(wanted.as_of, wanted.at_least, header)?;
    let reading = Reading::of_list(&app, caller, &[name], state, cursor).await?;
    let query = RowQuery {
        projection: name,
        columns: projection.columns(),
        conditions: wanted.conditions,
        order: SortOrder {
            column: "key",
            descending: false,
        },
        after: after.map(|key| (Value::Text(key.clone()), key)),
        // one more than asked for tells whether there is a next page
        limit: wanted.limit + 1,
        generations: reading.generations(),
    };
    let mut found = match store.rows(&query).await {
        Ok(found) => found,
        Err(error) if error.is_transient() => return Err(error.into()),
        Err(error) => return Err(unreadable(store, name, projection.version(), error).await),
    };
    let more = found.len() > wanted.limit as usize;
    found.truncate(wanted.limit as usize);
    let last = found.last().filter(|_| more);
    let next = last.map(|row| encode(&list, &row.order, &row.key, reading.pin()));
    let items: Result<Vec<Item>, StoreError> = found.into_iter().map(|row| item(projection, row)).collect();
    match items {
        Ok(items) => Ok(reading.answer(Page { items, next })),
        Err(error) => Err(unreadable(store, name, projection.version(), error).await),
    }
}

/// A row with its columns, which follow from the document.
fn item(projection: &dyn AnyProjection, row: StoredRow) -> Result<Item, StoreError> {
    let corrupt = |error: String| StoreError::Corrupt(format!("a row of {}: {error}", projection.name()));
    let folded = projection.fold(&row.key, Some(&row.document), &[]);
    let Folded::Keep { row: values, .. } = folded.map_err(|error| corrupt(error.to_string()))? else {
        return Err(corrupt("its document is that of no row".to_owned()));
    };
    let columns = projection.columns().iter().zip(&values);
    Ok(Item {
        key: row.key,
        columns: columns
            .map(|(column, value)| (column.name.to_owned(), value.to_json()))
            .collect(),
        document: RawValue::from_string(row.document).map_err(|error| corrupt(error.to_string()))?,
    })
}

/// Reads the parameters. Each stands once: a column of the projection, `limit` or `after`.
fn wanted(projection: &dyn AnyProjection, parameters: Vec<(String, String)>) -> Result<Wanted, Problem> {
    let mut wanted = Wanted {
        conditions: Vec::new(),
        limit: Limit::default().get(),
        after: None,
        as_of: None,
        at_least: None,
    };
    let mut seen = BTreeSet::new();
    for (name, text) in parameters {
        let refuse = |problem: &str| Problem::bad_request(format!("query parameter {name}: {problem}"));
        if name == "limit" {
            wanted.limit = Limit::try_from(text)
                .map(Limit::get)
                .map_err(|problem| refuse(&problem))?;
        } else if name == "after" {
            wanted.after = Some(text);
        } else if name == "asOf" {
            wanted.as_of = Some(AsOf::try_from(text).map_err(|problem| refuse(&problem))?);
        } else if name == "atLeast" {
            wanted.at_least = Some(text.parse().map_err(|_| refuse("is not a position"))?);
        } else {
            let columns = projection.columns().iter();
            let Some(column) = columns.clone().find(|column| column.name == name) else {
                let names: Vec<_> = columns.map(|column| column.name).collect();
                return Err(Problem::bad_request(format!(
                    "query parameter {name:?}: {} has no such column; it has {}, and beside these there are limit, after, asOf and atLeast",
                    projection.name(),
                    names.join(", ")
                )));
            };
            wanted.conditions.push(Condition {
                column: column.name,
                comparison: Comparison::Equal,
                values: vec![value(column.kind, text).map_err(|problem| refuse(&problem))?],
            });
        }
        if !seen.insert(name.clone()) {
            return Err(Problem::bad_request(format!("query parameter {name}: stands twice")));
        }
    }
    Ok(wanted)
}

/// Reads a value of a column.
fn value(kind: Kind, text: String) -> Result<Value, String> {
    match kind {
        Kind::Text if text.contains('\0') => Err("holds a character that is not allowed".to_owned()),
        Kind::Text => Ok(Value::Text(text)),
        Kind::Integer => {
            let number = text.parse().map(Value::Integer);
            number.map_err(|_| "has to be a whole number, from -2^63 to 2^63 - 1".to_owned())
        }
        Kind::Boolean => {
            let flag = text.parse().map(Value::Boolean);
            flag.map_err(|_| "has to be true or false".to_owned())
        }
        Kind::Timestamp => TimeParameter::try_from(text).map(|moment| Value::Timestamp(moment.0)),
        Kind::Date => {
            let date = text.parse().ok().filter(|_| text.len() == "2025-01-31".len());
            let refused = || "has to be a date, e.g. 2025-10-27".to_owned();
            date.map(Value::Date).ok_or_else(refused)
        }
    }
}

/// The route of one projection, with its part of the document.
fn route(projection: &'static dyn AnyProjection) -> UtoipaMethodRouter<Arc<App>> {
    let name = projection.name();
    let scope = scope_of(projection);
    let handler = move |mut parts: Parts,
                        axum::extract::State(app): axum::extract::State<Arc<App>>,
                        header: AtLeast,
                        Query(parameters): Query<Vec<(String, String)>>| async move {
        let AnyToken(caller, _permit) = admit(&mut parts, &app, scope).await?;
        if projection.name() == Access::NAME {
            app.journal
                .read(&caller, Read::AccessLog)
                .await
                .map_err(Problem::from)?;
        }
        Ok::<_, Denied>(rows(projection, app, &caller, header, parameters).await?)
    };
    let row = format!("{}Row", camel(name));
    let mut operation = OperationBuilder::new()
        .operation_id(Some(format!("list{}Rows", camel(name))))
        .tag("rows")
        .summary(Some(format!("The rows of {name}, in the order of their keys.")))
        .description(Some(
            "A column that is given has to have this value; several have to hold at once. A null matches no value.",
        ))
        .security(SecurityRequirement::new("bearer", [scope.as_str()]));
    for column in projection.columns() {
        let description = format!("Only rows with this {}.", column.name);
        operation = operation.parameter(parameter(column.name, &description, object(column.kind).build().into()));
    }
    let limit = object(Kind::Integer)
        .minimum(Some(1))
        .maximum(Some(500))
        .default(Some(Limit::default().get().into()));
    let after = object(Kind::Text);
    let operation = operation
        .parameter(parameter("limit", "How many items at most.", limit.build().into()))
        .parameter(parameter(
            "after",
            "The `next` of the page before.",
            after.build().into(),
        ))
        .parameters(Some(When::into_params(|| Some(ParameterIn::Query))))
        .parameters(Some(AtLeast::into_params(|| Some(ParameterIn::Header))))
        .responses(responses(&row));
    let mut paths = Paths::new();
    paths.add_path_operation(
        format!("/api/v1/projections/{name}/rows"),
        vec![HttpMethod::Get],
        operation.build(),
    );
    (vec![(row, row_schema(projection).into())], paths, get(handler))
}

fn parameter(name: &str, description: &str, schema: RefOr<Schema>) -> openapi::path::Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(schema))
        .build()
}

fn responses(row: &str) -> openapi::Responses {
    let next = ObjectBuilder::new()
        .description(Some(
            "What to send as `after` for the next page; null where there is none.",
        ))
        .schema_type(SchemaType::from_iter([Type::String, Type::Null]));
    let page = ObjectBuilder::new()
        .property("items", ArrayBuilder::new().items(Ref::from_schema_name(row)))
        .property("next", next)
        .required("items")
        .required("next");
    let content = ContentBuilder::new().schema(Some(Schema::from(page))).build();
    let position = HeaderBuilder::new()
        .schema(Some(object(Kind::Integer)))
        .description(Some("The position that the answer stands for."));
    let ok = ResponseBuilder::new()
        .description("A page of rows.")
        .header("Warmledger-Position", position.build());
    ResponsesBuilder::new()
        .response("200", ok.content("application/json", content))
        .responses_from_iter(Refusals::responses())
        .build()
}

fn row_schema(projection: &dyn AnyProjection) -> Object {
    let columns = projection.columns().iter();
    let columns = columns.fold(ObjectBuilder::new(), |columns, column| {
        columns
            .property(column.name, column_schema(column))
            .required(column.name)
    });
    let key = object(Kind::Text).description(Some("Its key."));
    let document = ObjectBuilder::new()
        .schema_type(SchemaType::AnyValue)
        .description(Some("The view, as the projection keeps it."));
    ObjectBuilder::new()
        .description(Some(format!("A row of {}.", projection.name())))
        .property("key", key)
        .property(
            "columns",
            columns.description(Some("Its columns, by the names that they have in SQL.")),
        )
        .property("document", document)
        .required("key")
        .required("columns")
        .required("document")
        .build()
}

fn column_schema(column: &Column) -> ObjectBuilder {
    let schema = object(column.kind);
    if column.nullable {
        let kind = match column.kind {
            Kind::Integer => Type::Integer,
            Kind::Boolean => Type::Boolean,
            Kind::Text | Kind::Timestamp | Kind::Date => Type::String,
        };
        return schema.schema_type(SchemaType::from_iter([kind, Type::Null]));
    }
    schema
}

fn object(kind: Kind) -> ObjectBuilder {
    let (kind, format) = match kind {
        Kind::Text => (Type::String, None),
        Kind::Integer => (Type::Integer, Some(KnownFormat::Int64)),
        Kind::Timestamp => (Type::String, Some(KnownFormat::DateTime)),
        Kind::Boolean => (Type::Boolean, None),
        Kind::Date => (Type::String, Some(KnownFormat::Date)),
    };
    ObjectBuilder::new()
        .schema_type(kind)
        .format(format.map(SchemaFormat::KnownFormat))
}

/// `monthly_mailboxes` as `MonthlyMailboxes`.
fn camel(name: &str) -> String {
    let words = name.split('_').map(|word| {
        let (first, rest) = word.split_at_checked(1).unwrap_or((word, ""));
        first.to_uppercase() + rest
    });
    words.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(parameters: &[(&str, &str)]) -> Result<Wanted, Problem> {
        let projection = projections::by_name("monthly_mailboxes").expect("it is registered");
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        wanted(projection, parameters.iter().map(owned).collect())
    }

    fn refusal(parameters: &[(&str, &str)]) -> String {
        let problem = parse(parameters).expect_err("a refusal");
        serde_json::to_value(&problem).expect("JSON")["detail"].to_string()
    }

    #[test]
    fn every_column_is_read_by_its_kind() {
        let wanted = parse(&[("month", "2026-03-01"), ("mailboxes", "3"), ("limit", "7")]).expect("good");
        let values: Vec<_> = wanted
            .conditions
            .into_iter()
            .flat_map(|condition| condition.values)
            .collect();
        assert_eq!(values, [Value::Date(jiff::civil::date(2026, 3, 1)), Value::Integer(3)]);
        assert_eq!(wanted.limit, 7);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let unknown = refusal(&[("months", "2026-03-01")]);
        assert!(
            unknown.contains("it has service_provider, month, webhooks"),
            "{unknown}"
        );
        for (parameters, expected) in [
            ([("month", "March"), ("limit", "1")], "month: has to be a date"),
            (
                [("mailboxes", "3.5"), ("limit", "1")],
                "mailboxes: has to be a whole number",
            ),
            (
                [("limit", "501"), ("mailboxes", "3")],
                "limit: has to be a whole number from 1 to 500",
            ),
            ([("mailboxes", "3"), ("mailboxes", "4")], "mailboxes: stands twice"),
        ] {
            let refused = refusal(&parameters);
            assert!(refused.contains(expected), "{refused}");
        }
    }

    #[test]
    fn schemas_are_named_after_their_projections() {
        assert_eq!(camel("monthly_mailboxes"), "MonthlyMailboxes");
    }
}
