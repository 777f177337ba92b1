//! The host site's public keys: a JSON Web Key Set (RFC 7517), and which key a token is held to.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{
    Algorithm, DecodingKey, Validation,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse},
};
use serde::Deserialize;

use super::{authenticator::TokenError, claims::Claims};

/// The most keys that a set may have. A host site has a handful: the present one, and those before
/// and after it.
const MAX_KEYS: usize = 100;
/// The smallest modulus of RS256 (RFC 7518, section 3.3), and the largest that is worth the time.
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=512;
/// How long a coordinate of P-256 and a key of Ed25519 is.
const CURVE_BYTES: usize = 32;

/// Why a text is no set of keys.
#[derive(Debug, thiserror::Error)]
pub(super) enum Malformed {
    /// It is not JSON, or has no list of keys.
    #[error("it is not a JSON Web Key Set: {0}")]
    NotKeys(#[from] serde_json::Error),
    /// It has more keys than there is any use for.
    #[error("it has more than {MAX_KEYS} keys")]
    TooMany,
}

/// The keys that fit. Each is for one algorithm, which its kind decides and never a token.
#[derive(Default)]
pub(super) struct KeySet(Vec<Key>);

struct Key {
    id: Option<String>,
    algorithm: Algorithm,
    verifier: Verifier,
}

/// A key with the one algorithm that it is for.
pub(super) struct Verifier {
    key: DecodingKey,
    validation: Validation,
}

impl Verifier {
    pub(super) fn new(key: DecodingKey, algorithm: Algorithm) -> Self {
        let mut validation = Validation::new(algorithm);
        // The library would compare with the machine's clock, and let pass what lacks a claim that
        // is asked for: the rules for claims are in claims.rs.
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        Self { key, validation }
    }

    /// The claims of a token that was signed with this key and this algorithm.
    pub(super) fn claims(&self, token: &str) -> Result<Claims, TokenError> {
        let decoded = jsonwebtoken::decode(token, &self.key, &self.validation);
        Ok(decoded.map_err(|_| TokenError::Invalid)?.claims)
    }
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<serde_json::Value>,
}

impl KeySet {
    /// From a JSON text. Keys of other kinds and uses than signing with one of these algorithms
    /// are left out, and so are those that are too weak, and those of which the private part was
    /// published too.
    pub(super) fn parse(text: &[u8], algorithms: &[Algorithm]) -> Result<Self, Malformed> {
        let Document { keys } = serde_json::from_slice(text)?;
        if keys.len() > MAX_KEYS {
            return Err(Malformed::TooMany);
        }
        let keys = keys.into_iter().filter_map(Key::parse);
        let fitting = keys.filter(|key| algorithms.contains(&key.algorithm));
        Ok(Self(fitting.collect()))
    }

    /// How many keys there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The key that a token of this algorithm is to be verified with: the one of the name that it
    /// gives, or, where it gives none, the only one. `None` too where two have the name: which is
    /// meant is not for the token to choose.
    pub(super) fn find(&self, algorithm: Algorithm, id: Option<&str>) -> Option<&Verifier> {
        let mut fitting = self.0.iter().filter(|key| {
            key.algorithm == algorithm && id.is_none_or(|id| key.id.as_deref() == Some(id))
        });
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Some(&key.verifier),
            _ => None,
        }
    }
}

impl Key {
    fn parse(value: serde_json::Value) -> Option<Self> {
        if value.get("d").is_some() {
            tracing::warn!("a key of JWKS is left out: its private part is published with it");
            return None;
        }
        let key: Jwk = serde_json::from_value(value).ok()?;
        let common = &key.common;
        let is_for_signing = matches!(common.public_key_use, None | Some(PublicKeyUse::Signature))
            && common
                .key_operations
                .as_ref()
                .is_none_or(|operations| operations.contains(&KeyOperations::Verify));
        let algorithm = algorithm_of(&key.algorithm)?;
        let is_meant = common
            .key_algorithm
            .is_none_or(|named| Algorithm::try_from(named).is_ok_and(|named| named == algorithm));
        if !is_for_signing || !is_meant {
            return None;
        }
        Some(Self {
            verifier: Verifier::new(DecodingKey::from_jwk(&key).ok()?, algorithm),
            id: key.common.key_id,
            algorithm,
        })
    }
}

/// What a key of this kind signs with here; `None` where it is too weak or of another kind. A
/// symmetric key is no public one.
fn algorithm_of(parameters: &AlgorithmParameters) -> Option<Algorithm> {
    let length = |text: &str| URL_SAFE_NO_PAD.decode(text).map(|bytes| bytes.len()).ok();
    let is_coordinate = |text: &str| length(text) == Some(CURVE_BYTES);
    match parameters {
        AlgorithmParameters::RSA(key) => length(&key.n)
            .is_some_and(|length| RSA_BYTES.contains(&length))
            .then_some(Algorithm::RS256),
        AlgorithmParameters::EllipticCurve(key) => {
            (key.curve == EllipticCurve::P256 && is_coordinate(&key.x) && is_coordinate(&key.y))
                .then_some(Algorithm::ES256)
        }
        AlgorithmParameters::OctetKeyPair(key) => (key.curve == EllipticCurve::Ed25519
            && is_coordinate(&key.x))
        .then_some(Algorithm::EdDSA),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const ALL: [Algorithm; 3] = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];

    fn ed(id: &str) -> Value {
        // RFC 8037, appendix A.2.
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        json!({"kty": "OKP", "crv": "Ed25519", "x": x, "kid": id})
    }

    fn with(mut key: Value, name: &str, value: Value) -> Value {
        key[name] = value;
        key
    }

    fn set(keys: &[Value]) -> KeySet {
        let text = json!({"keys": keys}).to_string();
        KeySet::parse(text.as_bytes(), &ALL).expect("a set")
    }

    #[test]
    fn a_key_that_is_not_for_signing_with_a_known_algorithm_is_left_out() {
        for fitting in [
            ed("a"),
            with(ed("a"), "use", json!("sig")),
            with(ed("a"), "alg", json!("EdDSA")),
            with(ed("a"), "key_ops", json!(["verify"])),
            with(ed("a"), "more", json!({"of": "it"})),
        ] {
            let keys = set(std::slice::from_ref(&fitting));
            assert!(
                keys.find(Algorithm::EdDSA, Some("a")).is_some(),
                "{fitting}"
            );
        }
        for other in [
            with(ed("a"), "use", json!("enc")),
            with(ed("a"), "alg", json!("RS256")),
            with(ed("a"), "alg", json!("HS256")),
            with(ed("a"), "alg", json!("ES512")),
            with(ed("a"), "key_ops", json!(["sign"])),
            with(ed("a"), "kty", json!("oct")),
            with(ed("a"), "kty", json!("AKP")),
            with(ed("a"), "crv", json!("X25519")),
            with(ed("a"), "x", json!("11qY")),
            with(ed("a"), "x", json!("not base64!")),
            with(ed("a"), "d", json!("private")),
            json!({"kty": "oct", "k": "c2VjcmV0", "kid": "a"}),
            json!({"kty": "RSA", "n": "c2hvcnQ", "e": "AQAB", "kid": "a"}),
            json!({"kty": "EC", "crv": "P-384", "x": "AA", "y": "AA", "kid": "a"}),
            json!("a key"),
            json!(null),
        ] {
            assert_eq!(set(std::slice::from_ref(&other)).len(), 0, "{other}");
        }
    }

    #[test]
    fn one_bad_key_does_not_spoil_the_others() {
        let keys = set(&[json!({"kty": "RSA"}), ed("good")]);
        assert!(keys.find(Algorithm::EdDSA, Some("good")).is_some());
    }

    #[test]
    fn a_key_is_found_by_its_name_and_its_algorithm_and_without_a_name_only_where_it_is_alone() {
        let two = set(&[ed("a"), ed("b")]);
        assert!(two.find(Algorithm::EdDSA, Some("b")).is_some());
        assert!(two.find(Algorithm::EdDSA, Some("c")).is_none());
        assert!(two.find(Algorithm::ES256, Some("a")).is_none());
        assert!(two.find(Algorithm::HS256, Some("a")).is_none());
        assert!(two.find(Algorithm::EdDSA, None).is_none());
        assert!(set(&[ed("a")]).find(Algorithm::EdDSA, None).is_some());
        let same = set(&[ed("a"), ed("a")]);
        assert!(same.find(Algorithm::EdDSA, Some("a")).is_none());
    }

    #[test]
    fn a_set_of_algorithms_that_are_not_taken_is_empty() {
        let text = json!({"keys": [ed("a")]}).to_string();
        let keys = KeySet::parse(text.as_bytes(), &[Algorithm::RS256]).expect("a set");
        assert_eq!(keys.len(), 0);
    }

    #[test]
    fn what_is_no_set_or_has_too_many_keys_is_refused() {
        for text in ["", "[]", "{}", r#"{"keys": 1}"#, "<html>"] {
            assert!(KeySet::parse(text.as_bytes(), &ALL).is_err(), "{text}");
        }
        let text = |keys: usize| json!({"keys": vec![ed("a"); keys]}).to_string();
        assert!(KeySet::parse(text(MAX_KEYS).as_bytes(), &ALL).is_ok());
        assert!(matches!(
            KeySet::parse(text(MAX_KEYS + 1).as_bytes(), &ALL),
            Err(Malformed::TooMany)
        ));
    }
}
