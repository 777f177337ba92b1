//! Times as RFC 3339 text.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use time::{
    OffsetDateTime, UtcDateTime, format_description::well_known::Rfc3339,
    macros::format_description,
};

use crate::model::Timestamp;

/// A time in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DateTime(pub Timestamp);

/// A time in UTC: RFC 3339 with milliseconds, as in 2026-11-23T09:15:00.000Z.
#[Scalar(
    name = "DateTime",
    specified_by_url = "https://www.rfc-editor.org/rfc/rfc3339"
)]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = &value else {
            return Err(InputValueError::expected_type(value));
        };
        let instant = OffsetDateTime::parse(text, &Rfc3339)
            .map_err(|_| InputValueError::custom("a DateTime is RFC 3339 text"))?;
        let millis = instant.unix_timestamp_nanos().div_euclid(1_000_000);
        i64::try_from(millis)
            .map(|millis| Self(Timestamp(millis)))
            .map_err(InputValueError::custom)
    }

    fn to_value(&self) -> Value {
        Value::String(self.to_string())
    }
}

impl std::fmt::Display for DateTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let layout = format_description!(
            "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z"
        );
        let nanos = i128::from(self.0.0) * 1_000_000;
        let text = UtcDateTime::from_unix_timestamp_nanos(nanos)
            .ok()
            .and_then(|instant| instant.format(layout).ok())
            // Only a time thousands of years away has no such form.
            .ok_or(std::fmt::Error)?;
        f.write_str(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_shown_in_utc_with_milliseconds() {
        assert_eq!(
            DateTime(Timestamp(0)).to_string(),
            "1970-01-01T00:00:00.000Z"
        );
        assert_eq!(
            DateTime(Timestamp(1_795_425_300_007)).to_string(),
            "2026-11-23T09:15:00.007Z"
        );
    }

    #[test]
    fn time_with_an_offset_is_read() {
        let value = Value::String("2026-11-23T10:15:00.007+01:00".to_owned());
        assert_eq!(
            DateTime::parse(value).ok(),
            Some(DateTime(Timestamp(1_795_425_300_007)))
        );
    }
}
