//! Numbers as text.

/// Formats a number with its significant digits.
pub fn figure(value: f64) -> String {
    match value.abs() {
        0.0..10.0 => format!("{value:.2}"),
        10.0..100.0 => format!("{value:.1}"),
        _ => grouped(value),
    }
}

/// Formats a whole number with commas.
pub fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Formats a number of things.
pub fn count(things: usize) -> String {
    match things {
        0..100 => things.to_string(),
        _ => figure(things as f64),
    }
}

/// Formats a number of HTTP connections.
pub fn connections(number: usize) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} HTTP connection{plural}", count(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_their_significant_digits() {
        assert_eq!(figure(3.217), "3.22");
        assert_eq!(figure(52.34), "52.3");
        assert_eq!(figure(146.4), "146");
        assert_eq!(figure(233_456.7), "233,457");
    }
}
