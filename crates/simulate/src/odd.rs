//! Webhooks whose values are in another form than the provider's usual one, and mean the same.

use jiff::Timestamp;
use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::Value;

/// The same webhook with its dates, flags and counts in other forms.
pub(super) fn spelled(rng: &mut StdRng, body: &str) -> String {
    let Ok(mut webhook) = serde_json::from_str::<Value>(body) else {
        return body.to_owned();
    };
    if let Some(data) = webhook.get_mut("data") {
        change(rng, data);
    }
    webhook.to_string()
}

fn change(rng: &mut StdRng, value: &mut Value) {
    match value {
        Value::Object(fields) => fields.values_mut().for_each(|field| change(rng, field)),
        Value::Array(items) => items.iter_mut().for_each(|item| change(rng, item)),
        Value::Bool(flag) => {
            let forms = [
                Value::from(flag.to_string()),
                Value::from(u8::from(*flag)),
                Value::Bool(*flag),
            ];
            let form = rng.random_range(0..forms.len());
            *value = forms[form].clone();
        }
        Value::String(text) => {
            // as an instant, so that no two forms of a date differ
            if let Ok(moment) = text.parse::<Timestamp>() {
                let number = moment.as_millisecond();
                *value = match rng.random_bool(0.5) {
                    true => Value::from(number),
                    false => Value::from(number.to_string()),
                };
            }
        }
        Value::Number(_) | Value::Null => {}
    }
}
