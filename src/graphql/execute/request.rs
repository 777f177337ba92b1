//! A GraphQL request as every transport carries it.

use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value};

use super::persisted::QueryHash;
use crate::{json::Object, model::ClientId};

/// A GraphQL request as every transport carries it (GraphQL over HTTP, section 5; the payload of
/// `subscribe` in graphql-transport-ws).
#[derive(Debug, Deserialize)]
#[serde(try_from = "Fields")]
pub struct Params {
    /// The document, or its hash.
    pub document: DocumentSource,
    /// The name of the operation that is meant.
    pub operation_name: Option<String>,
    /// The values of its variables.
    pub variables: Option<Map<String, Value>>,
    /// The client's id, from `extensions.clientId`: EventSource can send it nowhere else.
    pub client: Option<ClientId>,
}

/// The way in which a request names its document. A hash is the one of Apollo's automatic persisted
/// queries: `extensions.persistedQuery`.
#[derive(Debug, PartialEq, Eq)]
pub enum DocumentSource {
    /// The text of the document.
    Text(String),
    /// The hash of a text that was sent before.
    Hash(QueryHash),
    /// A text to keep under this hash.
    New(QueryHash, String),
}

/// The fields of a request before they are checked together.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields {
    query: Option<String>,
    operation_name: Option<String>,
    variables: Option<Object>,
    extensions: Option<Object>,
}

/// The reason why the fields are not a request.
#[derive(Debug, thiserror::Error)]
enum Unclear {
    #[error("the field `query` is missing")]
    NoDocument,
    #[error(
        "`extensions.persistedQuery` has a version, 1, and a sha256Hash of 64 hexadecimal digits"
    )]
    PersistedQuery,
    #[error("`extensions.clientId` is 1 to 64 letters, digits, dots, underscores and hyphens")]
    ClientId,
}

#[derive(Deserialize)]
struct PersistedQuery {
    #[serde(rename = "version")]
    _version: VersionOne,
    #[serde(rename = "sha256Hash")]
    hash: QueryHash,
}

/// The only version of Apollo's protocol.
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
        let Object(mut extensions) = fields.extensions.unwrap_or_default();
        let mut take = |name: &str| extensions.remove(name).filter(|value| !value.is_null());
        let persisted = take("persistedQuery")
            .map(serde_json::from_value::<PersistedQuery>)
            .transpose()
            .map_err(|_| Unclear::PersistedQuery)?;
        let client = take("clientId")
            .map(|id| {
                id.as_str()
                    .and_then(ClientId::parse)
                    .ok_or(Unclear::ClientId)
            })
            .transpose()?;
        let document = match (fields.query, persisted) {
            (Some(text), None) => DocumentSource::Text(text),
            (Some(text), Some(persisted)) => DocumentSource::New(persisted.hash, text),
            (None, Some(persisted)) => DocumentSource::Hash(persisted.hash),
            (None, None) => return Err(Unclear::NoDocument),
        };
        Ok(Self {
            document,
            operation_name: fields.operation_name,
            variables: fields.variables.map(|Object(variables)| variables),
            client,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document(request: Value) -> Result<DocumentSource, String> {
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
            Ok(DocumentSource::Text("{ a }".to_owned()))
        );
        assert_eq!(
            document(json!({"query": "{ a }", "extensions": {"persistedQuery": null, "more": 1}})),
            Ok(DocumentSource::Text("{ a }".to_owned()))
        );
        assert_eq!(
            document(json!({"extensions": persisted})),
            Ok(DocumentSource::Hash(hash))
        );
        assert_eq!(
            document(json!({"query": "{ a }", "extensions": persisted})),
            Ok(DocumentSource::New(hash, "{ a }".to_owned()))
        );
        assert!(document(json!({})).is_err());
        assert!(document(json!({"query": null, "extensions": {}})).is_err());
    }

    #[test]
    fn client_may_be_named_in_the_extensions() {
        let client = |id: Value| {
            let request = json!({"query": "{ a }", "extensions": {"clientId": id}});
            let params = serde_json::from_value::<Params>(request);
            params.map(|params| params.client).map_err(|_| ())
        };
        assert_eq!(client(json!("tab-1")), Ok(ClientId::parse("tab-1")));
        assert_eq!(client(Value::Null), Ok(None));
        for malformed in [json!(""), json!("é"), json!(7), json!("x".repeat(65))] {
            assert_eq!(client(malformed.clone()), Err(()), "{malformed}");
        }
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
