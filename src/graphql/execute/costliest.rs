//! The part of an operation that costs most. A refusal names it, so that a client knows what to shorten.

use super::{
    normal_form::Field,
    weight::{Lengths, Weight},
};

/// The list of an operation that costs most, or a field at its root without lists.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Most of it is `{}`, with {cost}.", path.join("."))]
pub(super) struct Costliest {
    /// The names in the response, from the root on.
    pub(super) path: Vec<String>,
    cost: u64,
}

impl Costliest {
    /// Follows the costliest field of each selection, as long as it has half of the operation's `total`.
    /// Of the fields on the way it returns the innermost list.
    pub(super) fn of(mut fields: &[Field], lengths: Lengths<'_>, total: u64) -> Self {
        let (mut path, mut times) = (Vec::new(), 1_u64);
        let mut costliest = Self {
            path: Vec::new(),
            cost: 0,
        };
        loop {
            let costs = fields.iter().rev().map(|field| {
                let weight = Weight::of(std::slice::from_ref(field), lengths);
                (field, weight.cost(times))
            });
            let Some((field, cost)) = costs.max_by_key(|(_, cost)| *cost) else {
                return costliest;
            };
            if !path.is_empty() && cost < total / 2 {
                return costliest;
            }
            path.push(field.response_name().to_string());
            let length = lengths.of(field);
            if path.len() == 1 || length > 1 {
                costliest = Self {
                    path: path.clone(),
                    cost,
                };
            }
            times = times.saturating_mul(length);
            fields = &field.selection;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graphql::execute::{testing, weight::PAGE_COMPLEXITY};

    #[test]
    fn costliest_is_the_innermost_list_that_costs_most() {
        let costliest = |text: &str| {
            let (form, variables) = testing::normal_form(text, serde_json::json!({}));
            let lengths = Lengths {
                variables: &variables,
                reply_depth: 32,
            };
            let total = Weight::of(&form.fields, lengths).cost(1);
            let costliest = Costliest::of(&form.fields, lengths, total);
            (total, costliest.path.join("."), costliest.cost)
        };
        let lists = "{ me { id } all: posts(first: 100) { nodes { id
            comments(first: 100) { nodes { body few: replies(first: 1) { nodes { id } }
                replies(first: 100) { nodes { id } } } } } } }";
        // Each comment costs 2, and its replies 1 and 2 each.
        let comments = 100 * 100 * (2 + 3 + 201);
        let posts = 1 + 100 * (2 + PAGE_COMPLEXITY) + comments;
        let total = 2 + posts + 2 * PAGE_COMPLEXITY;
        let replies = 100 * 100 * 201 + PAGE_COMPLEXITY;
        let path = "all.nodes.comments.nodes.replies".to_owned();
        assert_eq!(costliest(lists), (total, path, replies));

        let alias = |number| {
            format!("a{number}: posts(first: 100) {{ nodes {{ id title url createdAt }} }} ")
        };
        let aliases: String = (0..110).map(alias).collect();
        let (cost, path, of_path) = costliest(&format!("{{ {aliases} }}"));
        assert_eq!((cost, path.as_str(), of_path), (110 * 501, "a0", 501));
    }
}
