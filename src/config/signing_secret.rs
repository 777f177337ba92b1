//! A secret that requests to other servers are signed with.

use std::{ops::RangeInclusive, str::FromStr};

use base64::{Engine, engine::general_purpose::STANDARD};

const PREFIX: &str = "whsec_";
/// Lengths that Standard Webhooks allows, in bytes.
const LENGTHS: RangeInclusive<usize> = 24..=64;

/// A secret in the form of Standard Webhooks: `whsec_`, then 24 to 64 bytes in Base64. `Debug` does not
/// show it, so that no log does.
#[derive(Clone)]
pub struct SigningSecret(Vec<u8>);

impl SigningSecret {
    /// Returns the key. Never log it.
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }
}

impl FromStr for SigningSecret {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let key = text.strip_prefix(PREFIX);
        let key = key.and_then(|key| STANDARD.decode(key).ok());
        let key = key.filter(|key| LENGTHS.contains(&key.len()));
        key.map(Self)
            .ok_or("must be whsec_ and 24 to 64 random bytes in Base64")
    }
}

impl std::fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[secret]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_is_24_to_64_bytes_with_its_prefix() {
        let of = |bytes: usize| format!("{PREFIX}{}", STANDARD.encode(vec![7; bytes]));
        for bytes in [24, 32, 64] {
            let secret: SigningSecret = of(bytes).parse().unwrap();
            assert_eq!(secret.reveal(), vec![7; bytes]);
            assert_eq!(format!("{secret:?}"), "[secret]");
        }
        let bare = STANDARD.encode([7; 32]);
        for wrong in ["", "whsec_", "whsec_!", &bare, &of(23), &of(65)] {
            assert!(wrong.parse::<SigningSecret>().is_err(), "{wrong}");
        }
    }
}
