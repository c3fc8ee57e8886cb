import type {B} from '../b/b';

export interface A { readonly b: B }
