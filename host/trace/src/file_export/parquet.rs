//! One span per row, as Apache Parquet, uncompressed. Attributes are one column of JSON.

use std::sync::Arc;

use bytes::Bytes;
use parquet::{
    data_type::{ByteArray, ByteArrayType, Int64Type},
    file::writer::{SerializedFileWriter, SerializedRowGroupWriter},
    schema::parser::parse_message_type,
};

use crate::store::{SpanOrigin, StoredSpan};

/// Rows per row group.
const GROUP: usize = 65_536;

/// The columns. Times are microseconds since 1970; cost is in billionths of the currency.
const SCHEMA: &str = "message span {
    REQUIRED BYTE_ARRAY trace (UTF8);
    REQUIRED BYTE_ARRAY span (UTF8);
    OPTIONAL BYTE_ARRAY parent (UTF8);
    REQUIRED BYTE_ARRAY origin (UTF8);
    REQUIRED BYTE_ARRAY name (UTF8);
    REQUIRED BYTE_ARRAY kind (UTF8);
    REQUIRED INT64 start (TIMESTAMP(MICROS, true));
    OPTIONAL INT64 end (TIMESTAMP(MICROS, true));
    OPTIONAL BYTE_ARRAY error (UTF8);
    OPTIONAL BYTE_ARRAY model (UTF8);
    OPTIONAL INT64 input_tokens;
    OPTIONAL INT64 output_tokens;
    OPTIONAL INT64 cost_nano;
    REQUIRED BYTE_ARRAY attributes (JSON);
}";

/// Why a file cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum ParquetError {
    /// The writer failed.
    #[error("the Parquet file cannot be written: {0}")]
    Writer(#[from] parquet::errors::ParquetError),
    /// Attributes cannot be serialized.
    #[error("attributes cannot be written as JSON: {0}")]
    Attributes(#[from] serde_json::Error),
}

/// The spans as a Parquet file.
///
/// # Errors
/// [`ParquetError`]
pub fn parquet(spans: &[StoredSpan]) -> Result<Bytes, ParquetError> {
    let schema = Arc::new(parse_message_type(SCHEMA)?);
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Default::default())?;
    for rows in spans.chunks(GROUP) {
        let mut group = Group(writer.next_row_group()?);
        group.texts(rows, |span| span.trace.to_string())?;
        group.texts(rows, |span| span.span.to_string())?;
        group.maybe_texts(rows, |span| span.parent.map(|parent| parent.to_string()))?;
        group.texts(rows, |span| {
            match span.origin {
                SpanOrigin::Gate => "gate",
                SpanOrigin::Reported => "reported",
            }
            .to_owned()
        })?;
        group.texts(rows, |span| span.name.clone())?;
        group.texts(rows, |span| span.kind.clone())?;
        group.numbers(rows, |span| span.start.0)?;
        group.maybe_numbers(rows, |span| span.end.map(|end| end.0))?;
        group.maybe_texts(rows, |span| span.error.clone())?;
        group.maybe_texts(rows, |span| span.model.clone())?;
        let int = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        group.maybe_numbers(rows, |span| span.usage.map(|usage| int(usage.input_tokens)))?;
        group.maybe_numbers(rows, |span| {
            span.usage.map(|usage| int(usage.output_tokens))
        })?;
        group.maybe_numbers(rows, |span| {
            span.usage.and_then(|usage| usage.cost_nano).map(int)
        })?;
        let attributes: Vec<String> = rows
            .iter()
            .map(|span| serde_json::to_string(&span.body.attributes))
            .collect::<Result<_, _>>()?;
        let mut attributes = attributes.into_iter();
        group.texts(rows, |_| attributes.next().unwrap_or_default())?;
        group.0.close()?;
    }
    Ok(writer.into_inner()?.into())
}

/// A group of rows, written column by column, in the order of the schema.
struct Group<'a>(SerializedRowGroupWriter<'a, Vec<u8>>);

type Done = Result<(), parquet::errors::ParquetError>;

impl Group<'_> {
    fn texts(&mut self, rows: &[StoredSpan], text: impl FnMut(&StoredSpan) -> String) -> Done {
        let values: Vec<ByteArray> = rows.iter().map(text).map(bytes_of).collect();
        self.column::<ByteArrayType>(&values, None)
    }

    fn maybe_texts(
        &mut self,
        rows: &[StoredSpan],
        text: impl Fn(&StoredSpan) -> Option<String>,
    ) -> Done {
        let (values, present) = present(rows, |span| text(span).map(bytes_of));
        self.column::<ByteArrayType>(&values, Some(&present))
    }

    fn numbers(&mut self, rows: &[StoredSpan], number: impl Fn(&StoredSpan) -> i64) -> Done {
        let values: Vec<i64> = rows.iter().map(number).collect();
        self.column::<Int64Type>(&values, None)
    }

    fn maybe_numbers(
        &mut self,
        rows: &[StoredSpan],
        number: impl Fn(&StoredSpan) -> Option<i64>,
    ) -> Done {
        let (values, present) = present(rows, number);
        self.column::<Int64Type>(&values, Some(&present))
    }

    fn column<T: parquet::data_type::DataType>(
        &mut self,
        values: &[T::T],
        present: Option<&[i16]>,
    ) -> Done {
        if let Some(mut column) = self.0.next_column()? {
            column.typed::<T>().write_batch(values, present, None)?;
            column.close()?;
        }
        Ok(())
    }
}

fn bytes_of(text: String) -> ByteArray {
    ByteArray::from(text.into_bytes())
}

/// The present values, and for each row whether it has one (Parquet's definition levels).
fn present<T>(rows: &[StoredSpan], value: impl Fn(&StoredSpan) -> Option<T>) -> (Vec<T>, Vec<i16>) {
    let mut values = Vec::new();
    let mut levels = Vec::with_capacity(rows.len());
    for row in rows {
        let found = value(row);
        levels.push(i16::from(found.is_some()));
        values.extend(found);
    }
    (values, levels)
}
