//! Entry point for fuzzing: responses of any values, limits and memory.

use async_graphql::{Response, Value};

use super::payload::{self, WriteError};
use crate::memory::Account;

/// Writes a response. The first two bytes are its limit, the next two the memory; the rest is its data as
/// JSON.
pub(crate) fn response(bytes: &[u8]) {
    let Some(([limit_1, limit_2, memory_1, memory_2], data)) = bytes.split_first_chunk() else {
        return;
    };
    let Some(data) = serde_json::from_slice(data)
        .ok()
        .and_then(|json| Value::from_json(json).ok())
    else {
        return;
    };
    let response = Response::new(data);
    let Ok(whole) = serde_json::to_string(&response) else {
        return;
    };
    let limit = usize::from(u16::from_be_bytes([*limit_1, *limit_2]));
    let memory = usize::from(u16::from_be_bytes([*memory_1, *memory_2])) * 4;
    let budget = Account::separate(memory);
    match payload::write(&response, limit, &budget) {
        Ok(payload) => {
            assert_eq!(&*payload, whole, "not what was to be written");
            assert!(payload.len() <= limit.min(memory), "beyond a limit");
            assert_eq!(budget.used(), payload.len(), "not what is held");
        }
        Err(WriteError::TooLarge) => assert!(whole.len() > limit, "refused within the limit"),
        Err(WriteError::NoMemory(_)) => {
            assert!(
                whole.len() + payload::BLOCK > memory,
                "refused within the memory"
            );
        }
        Err(WriteError::Failed) => unreachable!("every value can be written"),
    }
    assert_eq!(budget.used(), 0, "memory is still reserved");
}
