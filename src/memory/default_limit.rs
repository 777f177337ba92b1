//! The default limit of the budget, from the memory of the machine and the process's control group.

use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};

use crate::config::MIN_MEMORY;

/// The limit where the machine's memory is unknown.
const DEFAULT_LIMIT: usize = 512 * 1024 * 1024;

/// Returns the default limit: half of the memory of the machine or of the process's control group,
/// whichever is less, and the least that the setting allows.
pub fn default_limit() -> usize {
    let bytes = available().and_then(|bytes| usize::try_from(bytes / 2).ok());
    bytes.unwrap_or(DEFAULT_LIMIT).max(MIN_MEMORY)
}

fn available() -> Option<u64> {
    let mut system = System::new().ok()?;
    system.refresh_memory();
    let machine = system.total_memory();
    let own = sysinfo::get_current_pid().ok()?;
    let which = ProcessesToUpdate::Some(&[own]);
    system.refresh_processes_specifics(which, false, ProcessRefreshKind::nothing());
    let group = system.process(own)?.cgroup_limits();
    Some(group.map_or(machine, |group| machine.min(group.total_memory)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_limit_is_half_of_the_machine_at_most() {
        let mut system = System::new().unwrap();
        system.refresh_memory();
        let half = usize::try_from(system.total_memory() / 2).unwrap();
        let limit = default_limit();
        assert!(limit <= half.max(MIN_MEMORY), "{limit} of {half}");
    }
}
