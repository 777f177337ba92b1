//! Figures as text.

/// With as many digits as mean something.
pub fn figure(value: f64) -> String {
    match value.abs() {
        0.0..10.0 => format!("{value:.2}"),
        10.0..100.0 => format!("{value:.1}"),
        _ => grouped(value),
    }
}

/// A whole number with commas.
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

/// A number of things.
pub fn count(things: usize) -> String {
    match things {
        0..100 => things.to_string(),
        _ => figure(things as f64),
    }
}

/// A number of HTTP connections.
pub fn connections(number: usize) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} HTTP connection{plural}", count(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_the_digits_that_mean_something() {
        assert_eq!(figure(3.217), "3.22");
        assert_eq!(figure(52.34), "52.3");
        assert_eq!(figure(146.4), "146");
        assert_eq!(figure(233_456.7), "233,457");
    }
}
