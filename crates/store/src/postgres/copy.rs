//! Rows in PostgreSQL's binary COPY format: the fastest way to insert new rows.
//!
//! A header, then for each row the number of its fields and each field's length and bytes, then a trailer; all numbers
//! in network byte order. See "Binary Format" under COPY in PostgreSQL's documentation.

use jiff::Timestamp;
use jiff::civil::Date;
use projections::Value;

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
/// Times and days are relative to this.
const EPOCH: Timestamp = Timestamp::constant(946_684_800, 0);
const EPOCH_DAY: Date = Date::constant(2000, 1, 1);

/// Rows to be copied into a table.
pub(super) struct Rows(Vec<u8>);

impl Rows {
    /// The header.
    pub(super) fn begin() -> Self {
        let mut bytes = SIGNATURE.to_vec();
        // no flags, no extension
        bytes.extend([0; 8]);
        Self(bytes)
    }

    /// A row with a key, a document and the values of so many columns.
    pub(super) fn row<'v>(
        &mut self,
        key: &str,
        document: &str,
        columns: usize,
        values: impl Iterator<Item = &'v Value>,
    ) {
        // a table has at most 1,600 columns
        let fields = i16::try_from(2 + columns).unwrap_or(i16::MAX);
        self.0.extend(fields.to_be_bytes());
        self.field(key.as_bytes());
        self.field(document.as_bytes());
        for value in values {
            match value {
                Value::Null => self.0.extend((-1_i32).to_be_bytes()),
                Value::Text(text) => self.field(text.as_bytes()),
                Value::Integer(number) => self.field(&number.to_be_bytes()),
                Value::Timestamp(moment) => {
                    let since = moment.duration_since(EPOCH).as_micros();
                    self.field(&i64::try_from(since).unwrap_or(i64::MAX).to_be_bytes());
                }
                Value::Boolean(flag) => self.field(&[u8::from(*flag)]),
                Value::Date(day) => {
                    let since = day.duration_since(EPOCH_DAY).as_hours() / 24;
                    self.field(&i32::try_from(since).unwrap_or(i32::MAX).to_be_bytes());
                }
            }
        }
    }

    fn field(&mut self, bytes: &[u8]) {
        // PostgreSQL refuses values above 1 GB anyway
        self.0
            .extend(i32::try_from(bytes.len()).unwrap_or(i32::MAX).to_be_bytes());
        self.0.extend(bytes);
    }

    /// The trailer.
    pub(super) fn end(&mut self) {
        self.0.extend((-1_i16).to_be_bytes());
    }

    /// The bytes to send.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Drops the sent bytes, and keeps the capacity.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}
