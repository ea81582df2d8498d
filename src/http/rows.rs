//! `/api/v1/projections/{name}/rows`: the rows of every projection, by any of its declared columns. A registered
//! projection gets its route and its part of the document here.

use aggregates::Domain;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::routing::get;
use projections::access::Access;
use projections::{AnyProjection, Column, Folded, Kind, Projection, Value};
use serde_json::value::RawValue;
use utoipa::openapi::path::{OperationBuilder, ParameterBuilder, ParameterIn, Paths};
use utoipa::openapi::schema::{
    ArrayBuilder, KnownFormat, Object, ObjectBuilder, Schema, SchemaFormat, SchemaType, Type,
};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{ContentBuilder, HttpMethod, Ref, RefOr, Required, ResponseBuilder, ResponsesBuilder};
use utoipa::{IntoParams, openapi};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use super::auth::{AnyToken, Denied, admit};
use super::list::{cut, encode, key_in, unreadable};
use super::prelude::*;
use crate::access::{Caller, Read, Scope};
use store::{Comparison, Condition, RowQuery, StoreError, StoredRow};

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    let all = projections::all().iter();
    all.fold(OpenApiRouter::new(), |router, projection| {
        router.routes(route(*projection))
    })
}

/// The scope that a projection's rows need: the access log needs more than orders do.
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

/// A page of the rows of one projection, sorted by key.
async fn rows(
    projection: &'static dyn AnyProjection,
    app: Arc<App>,
    caller: &Caller,
    parts: &mut Parts,
) -> Result<Answer<Page<Item>>, Problem> {
    let (name, store) = (projection.name(), &*app.store);
    let list = format!("{name}/rows");
    let wanted = Wanted::from_request_parts(parts, &app).await?;
    let page = Paging::from_request_parts(parts, &app).await?;
    let Query(columns) = Query::from_request_parts(parts, &app).await?;
    let conditions = conditions(projection, columns)?;
    let after = page.after().map(|cursor| key_in(cursor, &list)).transpose()?;
    let reading = Reading::of_list(&app, caller, &[name], wanted, page.after()).await?;
    let query = RowQuery {
        projection: name,
        columns: projection.columns(),
        conditions,
        either: Vec::new(),
        order: ascending("key"),
        after: after.map(|key| (Value::Text(key.clone()), key)),
        // one more than the limit shows whether there is a next page
        limit: page.limit() + 1,
        generations: reading.generations(),
    };
    let mut found = match store.rows(&query).await {
        Ok(found) => found,
        Err(error) if error.is_transient() => return Err(error.into()),
        Err(error) => return Err(unreadable(store, name, projection.version(), error).await),
    };
    let next = cut(&mut found, page.limit()).map(|row| encode(&list, &row.order, &row.key, reading.pin()));
    let items: Result<Vec<Item>, StoreError> = found.into_iter().map(|row| item(projection, row)).collect();
    match items {
        Ok(items) => Ok(reading.answer(Page { items, next })),
        Err(error) => Err(unreadable(store, name, projection.version(), error).await),
    }
}

/// A row with its columns, which are derived from the document.
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

/// Parses column conditions. Each column may occur once.
fn conditions(projection: &dyn AnyProjection, parameters: Vec<(String, String)>) -> Result<Vec<Condition>, Problem> {
    let mut conditions: Vec<Condition> = Vec::new();
    for (name, text) in parameters {
        let refuse = |problem: &str| Problem::bad_request(format!("query parameter {name}: {problem}"));
        let mut columns = projection.columns().iter();
        let Some(column) = columns.find(|column| column.name == name) else {
            let names: Vec<_> = projection.columns().iter().map(|column| column.name).collect();
            return Err(Problem::bad_request(format!(
                "query parameter {name:?}: {} has no such column; it has {}, and beside these there are limit, after, asOf and atLeast",
                projection.name(),
                names.join(", ")
            )));
        };
        if conditions.iter().any(|known| known.column == column.name) {
            return Err(refuse("is given twice"));
        }
        conditions.push(Condition {
            column: column.name,
            comparison: Comparison::Equal,
            values: vec![value(column, text).map_err(|problem| refuse(&problem))?],
        });
    }
    Ok(conditions)
}

/// Parses a value of a column.
fn value(column: &Column, text: String) -> Result<Value, String> {
    if column.name == "domain"
        && let Ok(domain) = Domain::normalise(&text)
    {
        // in whatever form it is written
        return Ok(Value::Text(domain.into()));
    }
    match column.kind {
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
    let handler = move |mut parts: Parts, State(app): State<Arc<App>>| async move {
        let AnyToken(caller, _permit) = admit(&mut parts, &app, scope).await?;
        if projection.name() == Access::NAME {
            app.journal
                .read(&caller, Read::AccessLog)
                .await
                .map_err(Problem::from)?;
        }
        Ok::<_, Denied>(rows(projection, app, &caller, &mut parts).await?)
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
    let operation = operation
        .parameters(Some(Paging::into_params(|| Some(ParameterIn::Query))))
        .parameters(Some(Wanted::into_params(|| None)))
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
    let ok = ResponseBuilder::new().description("A page of rows.");
    ResponsesBuilder::new()
        .response("200", ok.content("application/json", content))
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

    fn parse(parameters: &[(&str, &str)]) -> Result<Vec<Condition>, Problem> {
        let projection = projections::by_name("monthly_mailboxes").expect("it is registered");
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        conditions(projection, parameters.iter().map(owned).collect())
    }

    fn refusal(parameters: &[(&str, &str)]) -> String {
        let problem = parse(parameters).expect_err("a refusal");
        serde_json::to_value(&problem).expect("JSON")["detail"].to_string()
    }

    #[test]
    fn every_column_is_read_by_its_kind() {
        let conditions = parse(&[("month", "2026-03-01"), ("mailboxes", "3")]).expect("good");
        let values: Vec<_> = conditions.into_iter().flat_map(|condition| condition.values).collect();
        assert_eq!(values, [Value::Date(jiff::civil::date(2026, 3, 1)), Value::Integer(3)]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (parameters, expected) in [
            (
                vec![("months", "2026-03-01")],
                "it has service_provider, month, webhooks",
            ),
            (vec![("month", "March")], "month: has to be a date"),
            (vec![("mailboxes", "3.5")], "mailboxes: has to be a whole number"),
            (
                vec![("mailboxes", "3"), ("mailboxes", "4")],
                "mailboxes: is given twice",
            ),
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
