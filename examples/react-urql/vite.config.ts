import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

// The page and the API have one origin, as behind a proxy of a real site; `ws` is for subscriptions.
const causerie = process.env.CAUSERIE_URL ?? 'http://127.0.0.1:8000';
const proxy = { '/graphql': { target: causerie, ws: true } };

export default defineConfig({ plugins: [react()], server: { proxy }, preview: { proxy } });
