// What is known of the comments under one post, however it was learnt: from a page of comments, from
// the answer to one's own mutation, or from the feed. These race each other, so none is simply right.

/** Whether `a` is a later state than `b` of one comment: nothing follows a deletion, edits bear their time. */
const supersedes = (a, b) => a.isDeleted || (!b.isDeleted && (a.editedAt ?? '') >= (b.editedAt ?? ''));

export class Thread {
  /** Comments that are not deleted, the ones that are not loaded included. */
  count;
  #comments = new Map();

  constructor(count) {
    this.count = count;
  }

  /** Takes a state of a comment in and returns the latest one known. A change brings the post's count. */
  learn(comment) {
    if (comment.post) this.count = comment.post.commentCount;
    const known = this.#comments.get(comment.id);
    if (known && !supersedes(comment, known)) return known;
    this.#comments.set(comment.id, comment);
    return comment;
  }
}
