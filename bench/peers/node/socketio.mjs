// Socket.IO: one room for each post. A comment comes by POST /comments and is emitted to the post's room.

import { createServer } from 'node:http';
import { json } from 'node:stream/consumers';
import { Server } from 'socket.io';
import { listen, newComment } from './comments.mjs';

const server = createServer(async (request, response) => {
  const { postId, ...comment } = newComment(await json(request));
  io.to(postId).emit('comment', comment);
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(comment));
});
const io = new Server(server);

io.on('connection', (socket) => {
  socket.on('join', (postId, joined) => {
    socket.join(postId);
    joined();
  });
});

listen(server);
