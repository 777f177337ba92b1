// What is known of the comments under one post, however it was learnt: from a page of comments, from
// the answer to one's own mutation, or from the feed. These race each other, so none is simply right.

const isEarlier = (a, b) => (a.editedAt ?? '') < (b.editedAt ?? '');

export class Thread {
  /** Comments that are not deleted, the ones that are not loaded included. */
  count;
  /** As all readers see them. */
  #comments = new Map();
  /** The reader's own comments that others do not see, with a `status`: PENDING or REJECTED. */
  #unpublished = new Map();

  constructor(count) {
    this.count = count;
  }

  /** A comment as this reader sees it, if it is known. */
  get(id) {
    const known = this.#comments.get(id);
    const own = this.#unpublished.get(id);
    if (!own) return known;
    return { ...own, publishedAt: known?.publishedAt ?? own.createdAt, isDeleted: false, isListed: true };
  }

  /** Takes a comment of a page in. The feed keeps those up to date that are known. */
  meet(comment) {
    if (!this.#comments.has(comment.id)) this.#comments.set(comment.id, comment);
  }

  /** Takes a change of the feed in. A tombstone leaves its author what waits. */
  change(comment) {
    if (!comment.isDeleted) this.#unpublished.delete(comment.id);
    const known = this.#comments.get(comment.id);
    const isLate = known && !known.isDeleted && !comment.isDeleted && isEarlier(comment, known);
    this.#take(comment, isLate);
  }

  /** Takes the answer to one's own mutation in. A deletion has no status. */
  answer({ comment, status = 'PUBLISHED' }) {
    const isLate = status === 'PUBLISHED' ? this.#isLate(comment) : this.#isPublished(comment);
    if (status === 'PUBLISHED') this.#unpublished.delete(comment.id);
    else if (!isLate) this.#unpublished.set(comment.id, { ...comment, status });
    this.#take(comment, isLate);
  }

  /** The ids of own comments that others do not see: of a comment's replies, or of all. */
  unpublished(parentId) {
    const all = [...this.#unpublished.values()];
    return all.filter((own) => !parentId || own.parentId === parentId).map(({ id }) => id);
  }

  /** Replaces the comments that others do not see by those that were read. */
  setUnpublished(comments) {
    const own = comments.filter((comment) => !this.#isPublished(comment));
    this.#unpublished = new Map(own.map((comment) => [comment.id, comment]));
  }

  /** A change brings the post's count. */
  #take(comment, isLate) {
    if (isLate) return;
    this.count = comment.post.commentCount;
    this.#comments.set(comment.id, comment);
  }

  /** Whether the feed has brought a later state than this answer: a deletion, or another edit. */
  #isLate(comment) {
    const known = this.#comments.get(comment.id);
    return known && !comment.isDeleted && (known.isDeleted || isEarlier(comment, known));
  }

  /** Whether readers see this text: it was approved before the answer came that says it waits. */
  #isPublished(comment) {
    const known = this.#comments.get(comment.id);
    return known && known.isListed && !known.isDeleted && !isEarlier(known, comment);
  }
}
