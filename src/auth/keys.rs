//! The host site's public keys: a JSON Web Key Set (RFC 7517), and the choice of a token's key.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{
    Algorithm, DecodingKey, Validation,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse},
};
use serde::Deserialize;

use super::{
    error::{JwksError, TokenError},
    signed_claims::SignedClaims,
};

/// Maximum number of keys of a set. A host site has a handful: the current one, its predecessor and
/// its successor.
const MAX_KEYS: usize = 100;
/// Accepted sizes of an RS256 modulus: the minimum of RFC 7518, section 3.3, and the largest that is
/// worth the time.
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=512;
/// Size of a P-256 coordinate and of an Ed25519 key.
const CURVE_BYTES: usize = 32;

/// The usable keys of a set. A key's type decides its one algorithm; a token never does.
#[derive(Default)]
pub(super) struct KeySet(Vec<Key>);

struct Key {
    id: Option<String>,
    algorithm: Algorithm,
    verifier: Verifier,
}

/// A key with its one algorithm.
pub(super) struct Verifier {
    key: DecodingKey,
    validation: Validation,
}

impl Verifier {
    pub(super) fn new(key: DecodingKey, algorithm: Algorithm) -> Self {
        let mut validation = Validation::new(algorithm);
        // ClaimRules checks the claims: the library would read the machine's clock, and accept a
        // token without the claim that is to be checked.
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        Self { key, validation }
    }

    /// Verifies a token's signature with this key and algorithm, and returns its claims unchecked.
    pub(super) fn claims(&self, token: &str) -> Result<SignedClaims, TokenError> {
        let decoded = jsonwebtoken::decode(token, &self.key, &self.validation);
        Ok(decoded.map_err(|_| TokenError::Invalid)?.claims)
    }
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<serde_json::Value>,
}

impl KeySet {
    /// Parses a JSON text. Ignores keys that are not for signing with one of `algorithms`, keys that
    /// are too weak, and keys that were published with their private part.
    pub(super) fn parse(text: &[u8], algorithms: &[Algorithm]) -> Result<Self, JwksError> {
        let Document { keys } = serde_json::from_slice(text)?;
        if keys.len() > MAX_KEYS {
            return Err(JwksError::TooManyKeys(MAX_KEYS));
        }
        let keys = keys.into_iter().filter_map(Key::parse);
        let usable = keys.filter(|key| algorithms.contains(&key.algorithm));
        Ok(Self(usable.collect()))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the key for a token with this algorithm and key id. A token without an id gets the only
    /// key of its algorithm.
    ///
    /// Returns `None` if several keys match, because a token must not choose among them.
    pub(super) fn find(&self, algorithm: Algorithm, id: Option<&str>) -> Option<&Verifier> {
        let mut matching = self.0.iter().filter(|key| {
            key.algorithm == algorithm && id.is_none_or(|id| key.id.as_deref() == Some(id))
        });
        match (matching.next(), matching.next()) {
            (Some(key), None) => Some(&key.verifier),
            _ => None,
        }
    }
}

impl Key {
    fn parse(value: serde_json::Value) -> Option<Self> {
        if value.get("d").is_some() {
            tracing::warn!("ignoring a JWKS key that was published with its private part");
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
        let is_for_algorithm = common
            .key_algorithm
            .is_none_or(|named| Algorithm::try_from(named).is_ok_and(|named| named == algorithm));
        if !is_for_signing || !is_for_algorithm {
            return None;
        }
        Some(Self {
            verifier: Verifier::new(DecodingKey::from_jwk(&key).ok()?, algorithm),
            id: key.common.key_id,
            algorithm,
        })
    }
}

/// Returns the algorithm of a key of this type, or `None` if the key is too weak or of another type.
/// Symmetric keys are refused, because they are not public.
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
    fn unusable_keys_are_ignored() {
        for usable in [
            ed("a"),
            with(ed("a"), "use", json!("sig")),
            with(ed("a"), "alg", json!("EdDSA")),
            with(ed("a"), "key_ops", json!(["verify"])),
            with(ed("a"), "more", json!({"of": "it"})),
        ] {
            let keys = set(std::slice::from_ref(&usable));
            assert!(keys.find(Algorithm::EdDSA, Some("a")).is_some(), "{usable}");
        }
        for unusable in [
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
            assert!(
                set(std::slice::from_ref(&unusable)).is_empty(),
                "{unusable}"
            );
        }
    }

    #[test]
    fn malformed_key_is_ignored_and_others_are_kept() {
        let keys = set(&[json!({"kty": "RSA"}), ed("good")]);
        assert!(keys.find(Algorithm::EdDSA, Some("good")).is_some());
    }

    #[test]
    fn key_is_found_by_id_and_algorithm_or_as_the_only_one() {
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
    fn keys_of_other_algorithms_are_ignored() {
        let text = json!({"keys": [ed("a")]}).to_string();
        let keys = KeySet::parse(text.as_bytes(), &[Algorithm::RS256]).expect("a set");
        assert!(keys.is_empty());
    }

    #[test]
    fn malformed_set_or_too_many_keys_are_refused() {
        for text in ["", "[]", "{}", r#"{"keys": 1}"#, "<html>"] {
            assert!(KeySet::parse(text.as_bytes(), &ALL).is_err(), "{text}");
        }
        let text = |keys: usize| json!({"keys": vec![ed("a"); keys]}).to_string();
        assert!(KeySet::parse(text(MAX_KEYS).as_bytes(), &ALL).is_ok());
        assert!(matches!(
            KeySet::parse(text(MAX_KEYS + 1).as_bytes(), &ALL),
            Err(JwksError::TooManyKeys(MAX_KEYS))
        ));
    }
}
