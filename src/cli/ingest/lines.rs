//! The lines of captured deliveries, read by a thread of their own: a slow stdin blocks no other task.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use anyhow::Context;
use serde_json::Value;
use tokio::sync::mpsc;

use ledger::content::MAX_BODY;
use ledger::ingest::signature::SIGNATURE_HEADER;

/// Lines queued between reader and recorder.
const WAITING: usize = 16;
/// The longest line, in bytes: a body of 1 MiB with every character escaped, and its headers.
const MAX_LINE: u64 = 8 * 1024 * 1024;

/// One line. No `Debug`: it holds credentials.
pub(super) struct Line {
    pub(super) file: Arc<str>,
    /// Starts at 1.
    pub(super) number: u64,
    /// Its bytes, or none if it is longer than allowed.
    bytes: Option<Vec<u8>>,
    /// Bytes of all files read so far, this line included.
    pub(super) read: u64,
}

/// The content of a line. No `Debug`: it holds credentials.
pub(super) enum Delivery {
    /// A body with its headers; their names are in lower case.
    Captured {
        body: String,
        headers: BTreeMap<String, String>,
    },
    /// A payload alone.
    Bare(Vec<u8>),
}

/// Why a line holds no delivery. Never quotes it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("the line is longer than 8 MiB")]
    LongLine,
    #[error("the body is longer than 1 MiB")]
    LongBody,
    #[error("not JSON: error at column {0}")]
    NotJson(usize),
    #[error("`body` is not text: a signature covers the exact text, so the parsed JSON is of no use")]
    ParsedBody,
    #[error("`headers` is not an object of texts")]
    Headers,
}

/// Starts reading the files in order. A file that can't be read ends it with an error.
pub(super) fn read(files: Vec<PathBuf>) -> mpsc::Receiver<anyhow::Result<Line>> {
    let (sender, lines) = mpsc::channel(WAITING);
    // not a task: the runtime would wait for a read of stdin that never returns
    thread::spawn(move || {
        let mut total = 0;
        for path in files {
            match read_file(&path, &mut total, &sender) {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    let error = anyhow::Error::new(error).context(format!("cannot read {}", path.display()));
                    // the receiver may be gone
                    let _ = sender.blocking_send(Err(error));
                    return;
                }
            }
        }
    });
    lines
}

/// Returns `false` if the receiver is gone.
fn read_file(path: &Path, total: &mut u64, sender: &mpsc::Sender<anyhow::Result<Line>>) -> io::Result<bool> {
    let (file, mut reader): (Arc<str>, Box<dyn BufRead>) = if is_stdin(path) {
        ("stdin".into(), Box::new(io::stdin().lock()))
    } else {
        let opened = BufReader::with_capacity(1 << 16, File::open(path)?);
        (path.display().to_string().into(), Box::new(opened))
    };
    for number in 1.. {
        let mut bytes = Vec::new();
        let read = (&mut reader).take(MAX_LINE).read_until(b'\n', &mut bytes)? as u64;
        *total += read;
        if read == 0 {
            break;
        }
        let whole = read < MAX_LINE || bytes.ends_with(b"\n");
        if !whole {
            *total += reader.skip_until(b'\n')? as u64;
        }
        if bytes.trim_ascii().is_empty() {
            continue;
        }
        let line = Line {
            file: Arc::clone(&file),
            number,
            bytes: whole.then_some(bytes),
            read: *total,
        };
        if sender.blocking_send(Ok(line)).is_err() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether the path stands for stdin.
fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

/// The size of all files in bytes, if known.
///
/// # Errors
/// If a file is missing; checked before any line is recorded.
pub(super) fn size(files: &[PathBuf]) -> anyhow::Result<Option<u64>> {
    let mut total = Some(0);
    for path in files {
        if is_stdin(path) {
            total = None;
            continue;
        }
        let data = std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
        if data.is_dir() {
            anyhow::bail!("cannot read {}: it is a directory", path.display());
        }
        total = total.filter(|_| data.is_file()).map(|sum| sum + data.len());
    }
    Ok(total)
}

impl Line {
    /// Parses the line.
    ///
    /// # Errors
    /// [`Unreadable`] if the line is not a delivery.
    pub(super) fn delivery(&mut self) -> Result<Delivery, Unreadable> {
        let mut bytes = self.bytes.take().ok_or(Unreadable::LongLine)?;
        // a file may begin with a byte order mark
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        let value = serde_json::from_slice(text).map_err(|error| Unreadable::NotJson(error.column()))?;
        if let Value::Object(mut fields) = value
            && !fields.contains_key("event")
            && let Some(body) = fields.remove("body")
        {
            let Value::String(body) = body else {
                return Err(Unreadable::ParsedBody);
            };
            let headers = headers(fields.remove("headers"))?;
            return within(body.len()).map(|()| Delivery::Captured { body, headers });
        }
        while bytes.last().is_some_and(|last| matches!(last, b'\n' | b'\r')) {
            bytes.pop();
        }
        within(bytes.len()).map(|()| Delivery::Bare(bytes))
    }
}

fn within(length: usize) -> Result<(), Unreadable> {
    (length <= MAX_BODY).then_some(()).ok_or(Unreadable::LongBody)
}

/// Names in lower case. A value may be text, a number, or a list, whose first item counts; of signatures, all items do.
fn headers(value: Option<Value>) -> Result<BTreeMap<String, String>, Unreadable> {
    let fields = match value {
        None | Some(Value::Null) => return Ok(BTreeMap::new()),
        Some(Value::Object(fields)) => fields,
        Some(_) => return Err(Unreadable::Headers),
    };
    let mut headers = BTreeMap::new();
    for (name, mut value) in fields {
        if let Value::Array(list) = value {
            let texts = list.iter().map(Value::as_str).collect::<Option<Vec<_>>>();
            value = match texts {
                Some(texts) if name.eq_ignore_ascii_case(SIGNATURE_HEADER) && !texts.is_empty() => {
                    texts.join(",").into()
                }
                _ => list.into_iter().next().unwrap_or_default(),
            };
        }
        let text = match value {
            Value::Null => continue,
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            _ => return Err(Unreadable::Headers),
        };
        headers.insert(name.to_ascii_lowercase(), text);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(text: &str) -> Result<Delivery, Unreadable> {
        let bytes = Some(text.as_bytes().to_vec());
        Line {
            file: "f".into(),
            number: 1,
            bytes,
            read: 0,
        }
        .delivery()
    }

    #[test]
    fn a_captured_delivery_has_its_exact_body_and_headers_in_any_spelling() {
        let text =
            r#"{"body":"{\"a\": 1}\n","headers":{"CMR-X-Timestamp":1700000000,"Cmr-X-Signature":["ab"]},"more":1}"#;
        let Ok(Delivery::Captured { body, headers }) = delivery(text) else {
            panic!("not captured")
        };
        assert_eq!(body, "{\"a\": 1}\n");
        assert_eq!(headers.get("cmr-x-timestamp").map(String::as_str), Some("1700000000"));
        assert_eq!(headers.get("cmr-x-signature").map(String::as_str), Some("ab"));
    }

    #[test]
    fn every_signature_of_a_captured_delivery_counts_and_a_mark_before_it_does_not() {
        let text = "\u{feff}{\"body\":\"b\",\"headers\":{\"CMR-X-Signature\":[\"old\",\"new\"],\"Content-Type\":[\"a\",\"b\"]}}";
        let Ok(Delivery::Captured { headers, .. }) = delivery(text) else {
            panic!("not captured")
        };
        assert_eq!(headers.get("cmr-x-signature").map(String::as_str), Some("old,new"));
        assert_eq!(headers.get("content-type").map(String::as_str), Some("a"));
    }

    #[test]
    fn anything_else_that_is_json_is_a_bare_payload_as_it_stands() {
        let Ok(Delivery::Bare(bytes)) = delivery("{ \"event\":\"x\", \"body\": \"y\" }\r\n") else {
            panic!("not bare")
        };
        assert_eq!(bytes, b"{ \"event\":\"x\", \"body\": \"y\" }");
    }

    #[test]
    fn what_cannot_be_read_is_never_quoted() {
        for text in [
            r#"{"body":"planted"#,
            r#"{"body":{"planted":1}}"#,
            r#"{"body":"b","headers":"planted"}"#,
        ] {
            let error = delivery(text).err().unwrap().to_string();
            assert!(!error.contains("planted"), "{error}");
        }
        let long = format!(r#"{{"body":"{}"}}"#, "x".repeat(MAX_BODY + 1));
        assert_eq!(delivery(&long).err(), Some(Unreadable::LongBody));
    }
}
