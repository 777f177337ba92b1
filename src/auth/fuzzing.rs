//! Fuzz targets for tokens and key sets.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, crypto};

use super::{Authenticator, keys::KeySet};
use crate::{config::Secret, model::Timestamp};

const SECRET: &str = "a secret that is no secret, of 32 bytes or more";
/// All public-key algorithms.
const PUBLIC: [Algorithm; 3] = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];

/// Authenticates `bytes` as a token, then signs them as one: the header before the first line break,
/// the claims after it. Panics if the unsigned token is accepted, or an accepted one has expired or
/// does not survive being signed again.
pub fn token(bytes: &[u8]) {
    let authenticator = Authenticator::with_secret(&Secret::new(SECRET));
    let now = Timestamp::now();
    let unsigned = String::from_utf8_lossy(bytes);
    assert!(
        authenticator.authenticate(&unsigned, now).is_err(),
        "a token was forged"
    );
    let at = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(0);
    let (header, claims) = bytes.split_at(at);
    let signed = [header, claims]
        .map(|part| URL_SAFE_NO_PAD.encode(part))
        .join(".");
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let Ok(signature) = crypto::sign(signed.as_bytes(), &key, Algorithm::HS256) else {
        return;
    };
    if let Ok(principal) = authenticator.authenticate(&format!("{signed}.{signature}"), now) {
        assert!(principal.expires_at > now, "an expired token was accepted");
        let again = authenticator.sign(&principal);
        let again = authenticator.authenticate(&again.unwrap_or_default(), now);
        // `exp` is rounded down to a second.
        assert!(
            again.is_ok_and(|again| again.user == principal.user)
                || principal.expires_at < now.plus(std::time::Duration::from_secs(1))
        );
    }
}

/// Parses `bytes` as a JSON Web Key Set. Panics if a key of it verifies a token that it has not signed.
pub fn keys(bytes: &[u8]) {
    if let Ok(keys) = KeySet::parse(bytes, &PUBLIC) {
        for algorithm in PUBLIC {
            if let Some(verifier) = keys.find(algorithm, None) {
                assert!(verifier.claims("e30.e30.").is_err(), "a token was forged");
            }
        }
    }
}
