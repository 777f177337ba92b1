//! JSON from clients.
//!
//! `serde_json::Value` gives a meaning to one key, `$serde_json::private::RawValue`: it parses the
//! key's text as JSON, again and again, each time with a recursion limit of its own. A small message
//! could overflow the stack with it. The feature that does so is enabled for every crate as soon as
//! one crate wants it. So values from clients are read here, where every key is a key.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};

/// A JSON value from a client.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub(crate) struct Json(pub(crate) Value);

/// A JSON object from a client. A list is refused where one is expected.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub(crate) struct Object(pub(crate) Map<String, Value>);

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue).map(Self)
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Json::deserialize(deserializer)?.0 {
            Value::Object(fields) => Ok(Self(fields)),
            _ => Err(D::Error::custom("not an object")),
        }
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Json::deserialize(deserializer).map(|Json(value)| value)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Json(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some((name, Json(value))) = entries.next_entry::<String, Json>()? {
            fields.insert(name, value);
        }
        Ok(Value::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_value_is_read_as_it_is_written() {
        let value = json!({"a": [null, true, -1, u64::MAX, 1.5, "é", [], {}], "b": {"c": {}}});
        let Json(read) = serde_json::from_str(&value.to_string()).unwrap();
        assert_eq!(read, value);
        let Json(again) = serde_json::from_value(value.clone()).unwrap();
        assert_eq!(again, value);
    }

    #[test]
    fn key_of_the_library_is_a_key() {
        let text = r#"{"$serde_json::private::RawValue": "1"}"#;
        let Object(fields) = serde_json::from_str(text).unwrap();
        assert_eq!(fields["$serde_json::private::RawValue"], json!("1"));
    }

    #[test]
    fn nesting_is_bounded_whatever_the_keys_are() {
        let mut text = "1".to_owned();
        for _ in 0..20 {
            let inner = Value::String(text);
            let object = format!(r#"{{"$serde_json::private::RawValue":{inner}}}"#);
            text = "[".repeat(100) + &object + &"]".repeat(100);
        }
        assert!(serde_json::from_str::<Json>(&text).is_ok());
        let deep = "[".repeat(200) + &"]".repeat(200);
        assert!(serde_json::from_str::<Json>(&deep).is_err());
    }

    #[test]
    fn list_is_no_object() {
        assert!(serde_json::from_str::<Object>(r#"[["a", 1]]"#).is_err());
    }
}
