//! Settings of clients and their addresses.

use std::{net::IpAddr, time::Duration};

use clap::{Args, ValueEnum, value_parser};
use ipnet::IpNet;

use super::parse::duration;

/// Settings of clients and their addresses.
#[derive(Args, Clone, Debug)]
pub struct ClientsConfig {
    /// Maximum number of open connections of all kinds.
    #[arg(long, env = "CONNECTION_LIMIT", default_value = "16384", value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub connection_limit: u32,
    /// Maximum number of connections of one address; behind a trusted proxy, of its sockets and
    /// streams. An IPv6 client's address is its /64.
    #[arg(long, env = "CONNECTIONS_PER_ADDRESS", default_value = "256", value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub connections_per_address: u32,
    /// Operations that a socket may start a second, in bursts of ten times as many.
    #[arg(long, env = "OPERATIONS_PER_SOCKET", default_value = "20", value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub operations_per_socket: u32,
    /// Operations that the sockets of one address may start a second, in bursts of ten times as many.
    #[arg(long, env = "OPERATIONS_PER_ADDRESS", default_value = "200", value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub operations_per_address: u32,
    /// Memory that requests, responses and events may take in all, in bytes. One address has a quarter of
    /// it. If unset, half of the memory of the machine or of the control group.
    #[arg(long, env = "MEMORY_LIMIT", value_parser = memory)]
    pub memory_limit: Option<usize>,
    /// Proxies that are trusted to name a client's address: a comma-separated list of addresses and
    /// networks, such as `127.0.0.1,10.0.0.0/8`.
    #[arg(long, env = "TRUSTED_PROXIES", value_delimiter = ',', value_parser = network)]
    pub trusted_proxies: Vec<IpNet>,
    /// Header in which these proxies name the client.
    #[arg(long, env = "PROXY_HEADER", default_value = "x-forwarded-for")]
    pub proxy_header: ProxyHeader,
    /// Timeout of queries and mutations. A mutation that has begun still runs to its end.
    #[arg(long, env = "OPERATION_TIMEOUT", default_value = "30s", value_parser = duration)]
    pub operation_timeout: Duration,
}

/// A header in which proxies name the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProxyHeader {
    /// `X-Forwarded-For: 203.0.113.7, 10.0.0.1`
    XForwardedFor,
    /// `Forwarded: for=203.0.113.7, for=10.0.0.1` (RFC 7239)
    Forwarded,
}

/// Minimum of `MEMORY_LIMIT`: one address must be able to hold the largest response.
pub const MIN_MEMORY: usize = 64 * 1024 * 1024;

fn memory(text: &str) -> Result<usize, String> {
    let bytes = text.parse().ok().filter(|bytes| *bytes >= MIN_MEMORY);
    bytes.ok_or_else(|| format!("must be a number of bytes, {MIN_MEMORY} or more"))
}

/// Parses an address, or a network in CIDR notation.
fn network(text: &str) -> Result<IpNet, String> {
    let address = text.parse::<IpAddr>().map(IpNet::from);
    address
        .or_else(|_| text.parse())
        .map_err(|_| "must be a list of addresses and networks such as 10.0.0.0/8".into())
}
