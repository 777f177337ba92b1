//! A GraphQL request as every transport carries it.

use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value};

use super::persisted::QueryHash;

/// A GraphQL request as every transport carries it (GraphQL over HTTP, section 5; the payload of
/// `subscribe` in graphql-transport-ws).
#[derive(Debug, Deserialize)]
#[serde(try_from = "Fields")]
pub struct Params {
    /// The document, or by what it is known.
    pub document: Document,
    /// Which of the document's operations.
    pub operation_name: Option<String>,
    /// The values of its variables.
    pub variables: Option<Map<String, Value>>,
}

/// How a request says which document it means. Those with a hash are Apollo's automatic persisted
/// queries: `extensions.persistedQuery`.
#[derive(Debug, PartialEq, Eq)]
pub enum Document {
    /// This text.
    Text(String),
    /// The text that was sent with this hash before.
    Known(QueryHash),
    /// This text, which is to be known by this hash from now on.
    New(QueryHash, String),
}

/// The request as it is written.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields {
    query: Option<String>,
    operation_name: Option<String>,
    variables: Option<Map<String, Value>>,
    extensions: Option<Map<String, Value>>,
}

/// What makes a request none.
#[derive(Debug, thiserror::Error)]
enum Unclear {
    #[error("the field `query` is missing")]
    NoDocument,
    #[error(
        "`extensions.persistedQuery` has a version, 1, and a sha256Hash of 64 hexadecimal digits"
    )]
    PersistedQuery,
}

#[derive(Deserialize)]
struct PersistedQuery {
    #[serde(rename = "version")]
    _version: VersionOne,
    #[serde(rename = "sha256Hash")]
    hash: QueryHash,
}

/// The one version that there is of Apollo's protocol.
struct VersionOne;

impl<'de> Deserialize<'de> for VersionOne {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u32::deserialize(deserializer)? {
            1 => Ok(Self),
            _ => Err(de::Error::custom("not version 1")),
        }
    }
}

impl TryFrom<Fields> for Params {
    type Error = Unclear;

    fn try_from(fields: Fields) -> Result<Self, Unclear> {
        let persisted = fields
            .extensions
            .and_then(|mut extensions| extensions.remove("persistedQuery"))
            .filter(|value| !value.is_null())
            .map(serde_json::from_value::<PersistedQuery>)
            .transpose()
            .map_err(|_| Unclear::PersistedQuery)?;
        let document = match (fields.query, persisted) {
            (Some(text), None) => Document::Text(text),
            (Some(text), Some(persisted)) => Document::New(persisted.hash, text),
            (None, Some(persisted)) => Document::Known(persisted.hash),
            (None, None) => return Err(Unclear::NoDocument),
        };
        Ok(Self {
            document,
            operation_name: fields.operation_name,
            variables: fields.variables,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document(request: Value) -> Result<Document, String> {
        serde_json::from_value::<Params>(request)
            .map(|params| params.document)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn request_names_its_document_by_text_hash_or_both() {
        let hash = QueryHash::of("{ me { id } }");
        let persisted = json!({"persistedQuery": {"version": 1, "sha256Hash": hash.to_string()}});
        assert_eq!(
            document(json!({"query": "{ a }"})),
            Ok(Document::Text("{ a }".to_owned()))
        );
        assert_eq!(
            document(json!({"query": "{ a }", "extensions": {"persistedQuery": null, "more": 1}})),
            Ok(Document::Text("{ a }".to_owned()))
        );
        assert_eq!(
            document(json!({"extensions": persisted})),
            Ok(Document::Known(hash))
        );
        assert_eq!(
            document(json!({"query": "{ a }", "extensions": persisted})),
            Ok(Document::New(hash, "{ a }".to_owned()))
        );
        assert!(document(json!({})).is_err());
        assert!(document(json!({"query": null, "extensions": {}})).is_err());
    }

    #[test]
    fn malformed_persisted_query_is_refused() {
        let hash = QueryHash::of("").to_string();
        for persisted in [
            json!(7),
            json!({}),
            json!({"version": 1}),
            json!({"sha256Hash": hash}),
            json!({"version": 2, "sha256Hash": hash}),
            json!({"version": "1", "sha256Hash": hash}),
            json!({"version": 1, "sha256Hash": hash[1..]}),
            json!({"version": 1, "sha256Hash": format!("g{}", &hash[1..])}),
            json!({"version": 1, "sha256Hash": format!("{hash}00")}),
            json!({"version": 1, "sha256Hash": 7}),
        ] {
            let request = json!({"query": "{ a }", "extensions": {"persistedQuery": persisted}});
            let error = document(request).unwrap_err();
            assert!(error.contains("persistedQuery"), "{persisted}: {error}");
        }
    }
}
