//! The real command as a process, for what a server inside the test cannot show: its output, its exit, and
//! what a kill leaves.

use std::{path::Path, process::Command};

use causerie::model::Role;
use testkit::{http_client::Client, node::Node};

use super::{database_url, server::with_defaults, token};

/// Returns the command with these arguments in an empty environment.
pub(crate) fn causerie(arguments: &[&str]) -> Command {
    testkit::node::causerie(env!("CARGO_BIN_EXE_causerie"), arguments)
}

/// Starts a server on the folder's database with additional settings.
pub(crate) async fn start_node(folder: &Path, arguments: &[&str]) -> Node {
    start_node_on(&database_url(folder), arguments).await
}

/// Starts a server on this database with additional settings.
pub(crate) async fn start_node_on(database: &str, arguments: &[&str]) -> Node {
    let mut command = causerie(&["serve", "--database-url", database]);
    command.args(with_defaults(arguments));
    Node::start(command).await
}

/// Returns a client over HTTP of this role, whose user has the role's name.
pub(crate) fn user(node: &Node, role: Role) -> Client {
    let name = format!("{role:?}");
    node.client().with_token(&token(&name, &name, role))
}

/// Starts a server on this database that cannot write a file beyond `blocks` of 512 bytes. Writing there fails
/// as on a full disk. It logs nothing, because its log is a file too.
pub(crate) async fn start_on_full_disk(database: &str, blocks: u32) -> Node {
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    let mut limited = testkit::node::causerie("sh", &["-c", &script]);
    limited
        .arg(env!("CARGO_BIN_EXE_causerie"))
        .args(["serve", "--database-url", database])
        .args(with_defaults(&["--log=off"]));
    Node::start(limited).await
}
